"""What people do with VMs' disks. The node does it; here is judged, and noted which versions have to stay."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vms import NodeVms
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.vm_bases import based, bound_to
from image_library.controlplane.services.vm_followers import VmFollowers
from image_library.controlplane.services.vm_records import VmRecords, after_report
from image_library.controlplane.services.vm_source import usable_copy
from image_library.domain.errors import (
    ImageDeleting,
    ImageNotReady,
    LibraryError,
    NodeUnreachable,
    RebaseRefused,
    UnknownImage,
    VmBusy,
    VmRunning,
)
from image_library.domain.image import Image, ImagePhase
from image_library.domain.machine import GIB
from image_library.domain.trust_policy import TrustPolicy
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from image_library.domain.vm_disk import DiskTaskKind

log = structlog.get_logger()

_AT_REST = frozenset({PowerState.STOPPED, PowerState.CRASHED})


@dataclass(frozen=True, kw_only=True)
class Rebase:
    """A VM, the version that its disk is or was built on, and the one that it is put on."""

    vm: Vm
    old: Image
    new: Image


class VmDiskService:
    def __init__(
        self,
        *,
        database: Database,
        records: VmRecords,
        followers: VmFollowers,
        nodes: NodeVms,
        images: ImageService,
        trust: TrustPolicy,
    ) -> None:
        self._database = database
        self._records = records
        self._followers = followers
        self._nodes = nodes
        self._images = images
        self._trust = trust

    async def grow(self, named: str, size_gib: int) -> Vm:
        """Make the disk that large, also while the VM runs.

        Raises:
            DiskShrinks, DiskTooSmall: it is larger already, or that is no size.
            VmBusy: it is still being made, or worked on.
        """
        vm = await self._made(named)
        node = await self._records.node_of(vm)
        report = await self._nodes.grow_disk(node, vm.id, size_gib * GIB)
        return await self._records.change(vm.id, lambda v: after_report(v, report).evolve(disk_gib=size_gib))

    async def flatten(self, named: str) -> Vm:
        """Begin to give it a disk that needs no image. One that has it is left as it is."""
        return await self._begin(await self._made(named), DiskTaskKind.FLATTEN)

    async def snapshot(self, named: str, name: str) -> Vm:
        """Begin to keep the disk as it is."""
        return await self._begin(await self._made(named), DiskTaskKind.SNAPSHOT, name)

    async def revert(self, named: str, name: str) -> Vm:
        """Begin to give it the disk of that snapshot; what it has now is lost."""
        return await self._begin(await self._made(named), DiskTaskKind.REVERT, name)

    async def snapshots(self, named: str) -> Vm:
        """The VM with its snapshots: by its node's word, or the last that was heard where that is away."""
        vm = await self._records.find(named)
        if vm.report.stage is BootStage.IMAGE:
            return vm
        try:
            node = await self._records.node_of(vm)
            return await self._heard(vm, await self._nodes.status(node, vm.id))
        except NodeUnreachable:
            return vm

    async def delete_snapshot(self, named: str, name: str) -> Vm:
        """Raises UnknownSnapshot or VmBusy."""
        vm = await self._made(named)
        node = await self._records.node_of(vm)
        return await self._heard(vm, await self._nodes.delete_snapshot(node, vm.id, name))

    async def cancel(self, named: str) -> Vm:
        """End the work that goes on; the disk stays as it was. Nothing going on is fine."""
        vm = await self._made(named)
        node = await self._records.node_of(vm)
        return await self._heard(vm, await self._nodes.cancel_disk_task(node, vm.id))

    async def rebase(self, named: str, image: str = "", *, dry_run: bool = False) -> Rebase:
        """Begin to put the disk on another version of its image (empty: the one its name points to).

        Raises:
            RebaseRefused: it is on that version already, or that is none of its image.
            ImageNotReady, ImageDeleting, ImageTrustTooLow: that version cannot be used on the VM's node.
            VmRunning, VmBusy
        """
        vm = await self._made(named)
        if vm.report.state not in _AT_REST:
            raise VmRunning(f"VM '{vm.name}' is not stopped.", field="id")
        if dry_run:
            async with self._database.read() as records:
                return await self._plan(records, vm, image)
        plans: list[Rebase] = []

        async def bound(records: Records, vm: Vm) -> Vm:
            plans.append(await self._plan(records, vm, image))
            return bound_to(vm, plans[0].new)

        # From now on nobody deletes it; before the node hears of it.
        vm = await self._records.change_with(vm.id, bound)
        return replace(plans[0], vm=await self._rebase(vm, plans[0].new))

    async def _rebase(self, vm: Vm, new: Image) -> Vm:
        try:
            return await self._begin(vm, DiskTaskKind.REBASE, new.digest)
        except NodeUnreachable:
            # It may have begun: the node's next word says so.
            raise
        except LibraryError:
            await self._let_go(vm)
            raise

    async def _let_go(self, vm: Vm) -> None:
        """Bind it to what its node needs for it, and to no more."""
        with suppress(LibraryError):
            # What is recorded may be from before the node's first word of its disk.
            node = await self._records.node_of(vm)
            await self._heard(vm, await self._nodes.status(node, vm.id))
        await self._records.change_with(vm.id, based)

    async def _plan(self, records: Records, vm: Vm, wanted: str) -> Rebase:
        old = await records.images.get(vm.image_id)
        if old is None or not vm.image_digest:
            raise RebaseRefused(f"The disk of '{vm.name}' is not built on an image of the library.")
        versions = {v.id: v for v in await records.images.versions(old.name, old.project_id)}
        new = await self._wanted(records, versions, wanted)
        if new is None or new.id not in versions:
            raise RebaseRefused(f"That is no version of '{old.name}', which '{vm.name}' is built on.")
        if new.digest == vm.image_digest:
            raise RebaseRefused(f"The disk of '{vm.name}' is on '{new.title}' already.")
        if new.phase is ImagePhase.DELETING:
            raise ImageDeleting(f"Image '{new.title}' is being deleted.", field="image")
        if not new.usable_by(vm.project_id):
            raise UnknownImage(f"There is no image '{new.title}'.", field="image")
        if usable_copy(new, vm.node_id) is None or not new.digest:
            place = f"limiquantix images place {new.title}"
            raise ImageNotReady(
                f"'{new.title}' is not on the VM's node.", remedy=f"Bring it there: '{place}'."
            )
        self._trust.judge(new.trust, project=vm.project_id, image=new.name)
        return Rebase(vm=vm, old=old, new=new)

    async def _wanted(self, records: Records, versions: dict[str, Image], wanted: str) -> Image | None:
        if wanted:
            return await self._images.get_in(records, wanted)
        return next((version for version in versions.values() if version.current), None)

    async def _begin(self, vm: Vm, kind: DiskTaskKind, subject: str = "") -> Vm:
        node = await self._records.node_of(vm)
        report = await self._nodes.begin_disk_task(node, vm.id, kind, subject)
        log.info("disk_task_asked", vm_id=vm.id, kind=kind.value)
        vm = await self._heard(vm, report)
        self._followers.ensure(vm)
        return vm

    async def _heard(self, vm: Vm, report: VmReport) -> Vm:
        return await self._records.change(vm.id, lambda v: after_report(v, report))

    async def _made(self, named: str) -> Vm:
        vm = await self._records.find(named)
        if vm.report.stage is BootStage.IMAGE or vm.report.state is PowerState.PROVISIONING:
            raise VmBusy(f"VM '{vm.name}' has not been made yet.", remedy="Wait until it is, or delete it.")
        return vm
