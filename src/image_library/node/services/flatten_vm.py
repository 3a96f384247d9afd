"""Giving a stopped VM a disk of its own, so that the image it was made from can go.

The new disk is whole and durable before the journal says that it is the VM's; the old one goes last. Killed
at any point, the VM has one whole disk, and flattening it again ends what was left to do.
"""

from __future__ import annotations

import structlog

from image_library.domain.errors import VmRunning
from image_library.domain.machine import OVERLAY_DISK, OWN_DISK, MachineRecord
from image_library.node.ports.vms import DiskMaker, VmFolders
from image_library.node.services.vm_lives import OPEN, VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()


class FlattenVm:
    def __init__(self, *, records: VmRecords, lives: VmLives, folders: VmFolders, disks: DiskMaker) -> None:
        self._records = records
        self._lives = lives
        self._folders = folders
        self._disks = disks

    async def flatten(self, vm_id: str) -> None:
        """Give it the disk; one that has it keeps it.

        Raises:
            UnknownVm: this node has no such VM.
            VmRunning: it runs, or it is not known whether it does.
            StorageFull, StorageIo, HypervisorMissing, HypervisorFailed: the disk could not be made.
        """
        await self._lives.to_the_end(self._flatten(vm_id))

    async def _flatten(self, vm_id: str) -> None:
        async with self._lives.lock(vm_id):
            record = self._records.get(vm_id)
            if not record.machine.flat:
                await self._copy(record)
            await self._folders.drop(vm_id, OVERLAY_DISK)

    async def _copy(self, record: MachineRecord) -> None:
        machine = record.machine
        if record.report.state in OPEN:
            stop = f"limiquantix vms stop {machine.name}"
            raise VmRunning(f"The VM '{machine.name}' is not stopped.", remedy=f"Stop it first: '{stop}'.")
        folder = self._folders.path(machine.vm_id)
        await self._disks.flatten(
            f"{folder}/{OVERLAY_DISK}",
            f"{folder}/{OWN_DISK}",
            backing=machine.backing.path,
            backing_format=machine.backing.format,
        )
        await self._records.put(record.with_machine(flat=True))
        log.info("vm_flattened", vm_id=machine.vm_id, digest=machine.backing.digest)
