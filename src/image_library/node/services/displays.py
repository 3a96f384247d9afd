"""Displays that people sit at: each comes in by a password of their own, which is good for one try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from image_library.domain.console import BEFORE_PASSWORD_BYTES, PASSWORD_SECONDS
from image_library.domain.errors import ConsoleMissing, ConsoleTicket, HypervisorFailed, VmNotRunning
from image_library.domain.picture import Picture, picture_of
from image_library.domain.secret import Secret
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import ConsoleLine, GuestScreens
from image_library.node.services.console_keys import typing
from image_library.node.services.vm_lives import OPEN
from image_library.node.services.vm_records import VmRecords


class Displays:
    def __init__(self, *, records: VmRecords, screens: GuestScreens, clock: Clock) -> None:
        self._records = records
        self._screens = screens
        self._clock = clock
        # A display has one password at a time: whoever comes next waits until it has been tried.
        self._doors: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Each picture takes some memory.
        self._drawing = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def require(self, vm_id: str) -> None:
        """Raises: UnknownVm, VmNotRunning, ConsoleMissing: the VM shows nothing."""
        self._require_running(vm_id)
        await self._screens.require(vm_id)

    async def attach(
        self, vm_id: str, password: Secret, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        """RFB, in pieces of at most 64 KiB, until ``typed`` or the display's server ends.

        Raises:
            UnknownVm, VmNotRunning: there is no such VM, or it does not run, or no longer.
            ConsoleMissing: it has no display, or there is no password.
            ConsoleTicket: no password came in time.
        """
        self._require_running(vm_id)
        if not password:
            raise ConsoleMissing("A display is opened with a password only.")
        door = _Door()
        async with self._opened(vm_id, password, door) as line:
            async with typing(typed, line.write, line.close):
                while data := await line.read():
                    door.pass_(len(data))
                    yield data
            if door.late:
                raise ConsoleTicket("Nobody gave the display's password in time.")
            await self._require_there(vm_id)

    async def picture(self, vm_id: str) -> Picture:
        """What it shows at this moment.

        Raises:
            UnknownVm, VmNotRunning, ConsoleMissing: as ``require`` does.
            HypervisorFailed: there is no picture.
        """
        self._require_running(vm_id)
        async with self._drawing:
            shown = await self._screens.picture(vm_id)
            try:
                return await asyncio.to_thread(picture_of, shown)
            except ValueError as error:
                raise HypervisorFailed("The VM's display gave no picture.") from error

    async def _require_there(self, vm_id: str) -> None:
        """The line of a VM that ends is gone before the record knows."""
        self._require_running(vm_id)
        try:
            await self._screens.require(vm_id)
        except (ConsoleMissing, HypervisorFailed) as error:
            raise VmNotRunning("The VM has stopped.") from error

    def _require_running(self, vm_id: str) -> None:
        record = self._records.get(vm_id)
        if record.report.state not in OPEN:
            raise VmNotRunning(f"VM '{record.machine.name}' does not run, so it shows nothing.")

    @asynccontextmanager
    async def _opened(self, vm_id: str, password: Secret, door: _Door) -> AsyncGenerator[ConsoleLine]:
        """A connection; the password ends as soon as it was tried, and the next one may come in."""
        lock = self._doors.setdefault(vm_id, asyncio.Lock())
        await lock.acquire()
        closing: asyncio.Task[None] | None = None
        line: ConsoleLine | None = None
        try:
            line = await self._screens.open(vm_id, password)
            closing = asyncio.create_task(self._close_door(vm_id, door, line, lock))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            yield line
        finally:
            if line is not None:
                line.close()
            if closing is None:
                lock.release()
            else:
                door.tried.set()
                await asyncio.shield(closing)

    async def _close_door(self, vm_id: str, door: _Door, line: ConsoleLine, lock: asyncio.Lock) -> None:
        tried = asyncio.create_task(door.tried.wait())
        patience = asyncio.create_task(self._clock.sleep(PASSWORD_SECONDS))
        try:
            await asyncio.wait((tried, patience), return_when=asyncio.FIRST_COMPLETED)
            door.late = not door.tried.is_set()
            await self._screens.close_doors(vm_id)
            if door.late:
                line.close()
        finally:
            tried.cancel()
            patience.cancel()
            lock.release()


class _Door:
    """How far one connection has come in."""

    def __init__(self) -> None:
        self.tried = asyncio.Event()
        self.late = False
        self._sent = 0

    def pass_(self, count: int) -> None:
        """The display's server has sent so many bytes more."""
        self._sent += count
        if self._sent > BEFORE_PASSWORD_BYTES:
            self.tried.set()
