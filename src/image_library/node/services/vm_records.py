"""The VMs of this node in memory, always written through to the journal, with a bell for every change."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from image_library.domain.changes import Changes
from image_library.domain.errors import LibraryError, UnknownVm, printable
from image_library.domain.machine import MachineRecord
from image_library.domain.vm import VmReport
from image_library.node.ports.vms import VmJournal

log = structlog.get_logger()

# The key in Changes that rings for every VM, beside the VM's own id.
ANY_VM = "vms"


class VmRecords:
    """Used from one event loop. Memory changes first, without waiting: no two changes undo each other."""

    def __init__(self, *, journal: VmJournal, changes: Changes) -> None:
        self._journal = journal
        self._records: dict[str, MachineRecord] = {}
        self.changes = changes

    async def load(self) -> tuple[MachineRecord, ...]:
        self._records = {record.machine.vm_id: record for record in await self._journal.all()}
        return self.all()

    def all(self) -> tuple[MachineRecord, ...]:
        return tuple(self._records.values())

    def find(self, vm_id: str) -> MachineRecord | None:
        return self._records.get(vm_id)

    def get(self, vm_id: str) -> MachineRecord:
        """Raises UnknownVm where there is none."""
        if record := self._records.get(vm_id):
            return record
        raise UnknownVm(f"This node has no VM '{printable(vm_id)}'.", field="vm_id")

    def adopt(self, record: MachineRecord) -> None:
        """Takes over a record that is already in the journal."""
        self._records[record.machine.vm_id] = record
        self._ring(record.machine.vm_id)

    async def update(
        self, vm_id: str, change: Callable[[MachineRecord], MachineRecord]
    ) -> MachineRecord | None:
        """Changes a record in memory and on disk; one that has been removed meanwhile stays removed.

        What is true is told also where the disk does not take it: the next change writes all of it.
        """
        before = self._records.get(vm_id)
        if before is None:
            return None
        after = change(before)
        if after != before:
            self._records[vm_id] = after
            self._ring(vm_id)
            try:
                await self._journal.save(after)
            except LibraryError as error:
                log.warning("vm_record_not_written", vm_id=vm_id, code=error.code)
        return after

    def tell(self, vm_id: str, change: Callable[[MachineRecord], MachineRecord]) -> None:
        """Changes a record in memory only: what passes is not written down."""
        before = self._records.get(vm_id)
        after = change(before) if before else None
        if after is not None and after != before:
            self._records[vm_id] = after
            self._ring(vm_id)

    async def note(self, vm_id: str, change: Callable[[MachineRecord], MachineRecord]) -> None:
        """The same for what is to be acted on only once it is on disk: where that fails, it raises."""
        if (before := self._records.get(vm_id)) is not None:
            self._records[vm_id] = after = change(before)
            self._ring(vm_id)
            await self._journal.save(after)

    async def put(self, record: MachineRecord) -> None:
        """Writes a record down, and only then takes it over."""
        await self._journal.save(record)
        self.adopt(record)

    async def report(self, vm_id: str, **changes: object) -> MachineRecord | None:
        """The same for fields of its report."""
        return await self.update(vm_id, lambda record: record.with_report(**changes))

    async def remove(self, vm_id: str) -> None:
        self._records.pop(vm_id, None)
        await self._journal.remove(vm_id)
        self._ring(vm_id)

    def reports(self) -> tuple[VmReport, ...]:
        """Of all but throw-away VMs, which are nobody's to list."""
        return tuple(r.told for r in self._records.values() if not r.machine.throw_away)

    def _ring(self, vm_id: str) -> None:
        self.changes.notify(vm_id)
        self.changes.notify(ANY_VM)
