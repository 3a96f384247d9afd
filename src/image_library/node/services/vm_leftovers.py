"""Folders of VMs that the journal does not know: of attempts that broke off, and of half-done deletions."""

from __future__ import annotations

import structlog

from image_library.node.ports.upkeep import Leftover
from image_library.node.ports.vms import Hypervisor, VmFolders
from image_library.node.services.vm_lives import VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()


class VmLeftovers:
    def __init__(
        self, *, records: VmRecords, lives: VmLives, folders: VmFolders, hypervisor: Hypervisor
    ) -> None:
        self._records = records
        self._lives = lives
        self._folders = folders
        self._hypervisor = hypervisor

    async def found(self) -> tuple[Leftover, ...]:
        """Those that nobody works on at this moment."""
        nobodys = [vm_id for vm_id in await self._folders.listed() if self._is_nobodys(vm_id)]
        return tuple([Leftover(name=vm_id, bytes=await self._folders.size(vm_id)) for vm_id in nobodys])

    async def remove(self, vm_id: str) -> bool:
        """End what may run from the folder, and remove it; False where it is a VM's after all."""
        # Whoever makes a VM holds its lock until the journal knows it.
        async with self._lives.lock(vm_id):
            if self._records.find(vm_id) is not None:
                return False
            await self._hypervisor.end(vm_id)
            await self._hypervisor.forget(vm_id)
            await self._folders.remove(vm_id)
            log.warning("vm_leftover_removed", vm_id=vm_id)
            return True

    def _is_nobodys(self, vm_id: str) -> bool:
        return self._records.find(vm_id) is None and not self._lives.lock(vm_id).locked()
