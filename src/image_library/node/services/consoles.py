"""Serial consoles that people sit at: what a guest writes to all of them, what they type to the guest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

from image_library.domain.console import LARGEST_FRAME, LARGEST_LAG, TAIL_BYTES, shown_again
from image_library.domain.errors import VmNotRunning
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import ConsoleLine, GuestLines, GuestWindow
from image_library.node.services.console_keys import typing
from image_library.node.services.vm_lives import OPEN
from image_library.node.services.vm_records import VmRecords

# How late at the most one sees what came without a sign, or that the VM has stopped.
LOOK_SECONDS = 0.2


class Consoles:
    def __init__(self, *, records: VmRecords, window: GuestWindow, lines: GuestLines, clock: Clock) -> None:
        self._records = records
        self._window = window
        self._lines = lines
        self._clock = clock
        self._serial: dict[str, _SerialLine] = {}
        # qemu serves one connection: a second one would wait unheard.
        self._opening = asyncio.Lock()

    async def attach(self, vm_id: str, typed: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """What the guest writes, in pieces of at most 64 KiB, until ``typed`` ends.

        Raises:
            UnknownVm, VmNotRunning: there is no such VM, or it does not run, or no longer.
            ConsoleMissing: it has no serial console that takes anything.
        """
        self._require_running(vm_id)
        async with aclosing(self._from_serial(vm_id, typed)) as written:
            async for data in written:
                yield data

    def _require_running(self, vm_id: str) -> None:
        record = self._records.get(vm_id)
        if record.report.state not in OPEN:
            raise VmNotRunning(f"VM '{record.machine.name}' does not run, so it has no console.")

    async def _from_serial(self, vm_id: str, typed: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """From the log, which waits for nobody; the line only tells that there is more."""
        async with self._line(vm_id) as line, typing(typed, line.write, line.woken.set) as keys:
            offset = max(0, await self._window.console_size(vm_id) - TAIL_BYTES)
            begun = False
            while not keys.done():
                line.woken.clear()
                data = (await self._window.console(vm_id, offset))[:LARGEST_FRAME]
                offset += len(data)
                if data:
                    yield data if begun else shown_again(data)
                    offset = await self._caught_up(vm_id, offset)
                elif line.ended:
                    raise VmNotRunning("The VM has stopped.")
                else:
                    self._require_running(vm_id)
                    await self._something(line.woken)
                    offset = await self._caught_up(vm_id, offset)
                begun = True

    async def _caught_up(self, vm_id: str, offset: int) -> int:
        """The offset to go on at: the log may have begun anew, or run away from a slow reader."""
        size = await self._window.console_size(vm_id)
        if size < offset:
            return 0
        return offset if size - offset <= LARGEST_LAG else size - TAIL_BYTES

    async def _something(self, woken: asyncio.Event) -> None:
        look, sign = asyncio.create_task(self._clock.sleep(LOOK_SECONDS)), asyncio.create_task(woken.wait())
        try:
            await asyncio.wait((look, sign), return_when=asyncio.FIRST_COMPLETED)
        finally:
            look.cancel()
            sign.cancel()
            await asyncio.wait((look, sign))

    @asynccontextmanager
    async def _line(self, vm_id: str) -> AsyncGenerator[_Seat]:
        """A seat at the VM's one serial line, which is open as long as somebody sits there."""
        async with self._opening:
            line = self._serial.get(vm_id)
            if line is None or line.ended:
                self._serial[vm_id] = line = _SerialLine(await self._lines.open(vm_id))
            seat = _Seat(line)
            line.seats.add(seat)
        try:
            yield seat
        finally:
            line.seats.discard(seat)
            if not line.seats:
                if self._serial.get(vm_id) is line:
                    del self._serial[vm_id]
                await line.close()


class _SerialLine:
    """qemu's one connection for the serial console, always read, so that the guest never waits for it."""

    def __init__(self, line: ConsoleLine) -> None:
        self._line = line
        self.seats: set[_Seat] = set()
        self.ended = False
        self._reading = asyncio.create_task(self._read())

    async def write(self, data: bytes) -> None:
        await self._line.write(data)

    async def close(self) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self) -> None:
        try:
            while await self._line.read():
                self._wake()
        finally:
            self.ended = True
            self._line.close()
            self._wake()

    def _wake(self) -> None:
        for seat in self.seats:
            seat.woken.set()


class _Seat:
    def __init__(self, line: _SerialLine) -> None:
        self._line = line
        self.woken = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self._line.ended

    async def write(self, data: bytes) -> None:
        await self._line.write(data)
