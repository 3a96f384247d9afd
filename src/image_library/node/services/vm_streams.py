"""Following a VM as a stream: its report at every change, its console as it is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from image_library.domain.vm import VmReport
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import GuestWindow
from image_library.node.services.vm_records import VmRecords

CONSOLE_SECONDS = 0.2


class VmStreams:
    def __init__(self, *, records: VmRecords, window: GuestWindow, clock: Clock) -> None:
        self._records = records
        self._window = window
        self._clock = clock

    async def watch(self, vm_id: str) -> AsyncGenerator[VmReport]:
        """Its report now and after every change; ends when the VM is deleted."""
        with self._records.changes.follow(vm_id) as bell:
            self._records.get(vm_id)
            said: VmReport | None = None
            while (record := self._records.find(vm_id)) is not None:
                if record.told != said:
                    said = record.told
                    yield said
                await bell.wait()

    async def console(self, vm_id: str, *, offset: int, follow: bool) -> AsyncGenerator[tuple[int, bytes]]:
        """Pieces of this boot's serial console, each with its offset; ``follow``: until the VM is deleted.

        A VM that is started again begins a new console: a follower goes on at its offset 0.
        """
        self._records.get(vm_id)
        while self._records.find(vm_id) is not None:
            if data := await self._window.console(vm_id, offset):
                yield offset, data
                offset += len(data)
            elif not follow:
                return
            else:
                await self._clock.sleep(CONSOLE_SECONDS)
                if await self._window.console_size(vm_id) < offset:
                    offset = 0
