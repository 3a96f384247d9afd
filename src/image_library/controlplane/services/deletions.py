"""Deleting images: refused while anything needs them, or after the VMs that do got disks of their own.

The record goes in the transaction that proves that nothing needs it; the nodes' copies go afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vms import NodeVms
from image_library.controlplane.services.clearing import Clearing, bury
from image_library.controlplane.services.download_runs import ANY_NODE
from image_library.controlplane.services.image_usage import live_jobs, told
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    ImageInUse,
    ImageIsLocal,
    ImageProtected,
    LibraryError,
    NodeUnreachable,
    UnknownVm,
    VmRunning,
    printable,
)
from image_library.domain.garbage import Tombstone
from image_library.domain.image import Image, ImagePhase
from image_library.domain.image_update import same_etag
from image_library.domain.paging import LARGEST_PAGE_SIZE, PageRequest
from image_library.domain.vm import BootStage, PowerState, Vm

log = structlog.get_logger()

# What could not be finished is tried again when a node returns, and at the latest after this.
LOOK_AGAIN_SECONDS = 300.0
_AT_REST = frozenset({PowerState.STOPPED, PowerState.CRASHED, PowerState.LOST})


@dataclass(frozen=True, kw_only=True)
class ImageDeletion:
    name: str
    # Stopped VMs that use it get disks of their own first.
    flatten: bool = False
    # Only if its name points to another version.
    superseded: bool = False
    # Of the image that the caller saw; empty: whatever it is now.
    etag: str = ""


class Deletions:
    def __init__(
        self,
        *,
        database: Database,
        images: ImageService,
        clearing: Clearing,
        vms: VmRecords,
        nodes: NodeVms,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._images = images
        self._clearing = clearing
        self._vms = vms
        self._nodes = nodes
        self._changes = changes
        self._clock = clock
        # Images that a caller's own deletion is working on.
        self._active: set[str] = set()

    async def delete(self, wish: ImageDeletion) -> None:
        """Remove the image; a node that is away removes its copy when it is back. May be repeated.

        Raises:
            UnknownImage, AmbiguousImage: there is none, or several.
            ImageChanged: the caller saw an older one.
            ImageProtected, ImageInUse: it must stay, or something needs it.
            ImageIsLocal: it is a file that an operator put on a node, and is still there.
            VmRunning, NodeUnreachable, StorageFull: a VM got no disk of its own; the image stays.
        """
        image, users, stone = await self._condemn(wish)
        self._active.add(image.id)
        try:
            if users:
                stone = await self._free_and_bury(image, users)
        finally:
            self._active.discard(image.id)
        if stone is not None:
            await self._clearing.clear(stone)

    async def run(self) -> None:
        """Finish, whenever nodes return, what was begun; runs until it is cancelled."""
        with self._changes.follow(ANY_NODE) as returned:
            while True:
                try:
                    await self.go_on()
                except LibraryError as error:
                    log.warning("deletions_not_finished", code=error.code)
                await bell_or_time(returned, self._clock, LOOK_AGAIN_SECONDS)

    async def go_on(self) -> None:
        """Finish, as far as nodes are there, the deletions that an earlier run of the program began."""
        wanted = ImageFilter(phases=frozenset({ImagePhase.DELETING}), all_versions=True, hidden_too=True)
        async with self._database.read() as records:
            found = await records.images.list(wanted, PageRequest(size=LARGEST_PAGE_SIZE))
            left = [(i, await records.vms.using(i.id)) for i in found.items if i.id not in self._active]
        for image, users in left:
            try:
                await self._free_and_bury(image, users, patient=True)
            except LibraryError as error:
                log.warning("image_not_deleted", image_id=image.id, code=error.code)
        await self._clearing.clear()

    async def _condemn(self, wish: ImageDeletion) -> tuple[Image, Sequence[Vm], Tombstone | None]:
        """The image, gone already where nothing uses it; else marked DELETING, with the VMs to free."""
        async with self._database.write() as records:
            image = await self._images.get_in(records, wish.name)
            same_etag(image, wish.etag)
            if wish.superseded and image.current:
                raise ImageInUse(f"'{image.name}' points to this version.", field="id")
            await _refuse_needed(records, image)
            users = await records.vms.using(image.id)
            if not users:
                return image, (), await self._buried(records, image)
            if not wish.flatten or any(vm.driver_image_id == image.id for vm in users):
                raise _in_use(image, users)
            _refuse_running(users)
            await records.images.save(image.evolve(phase=ImagePhase.DELETING, updated_at=self._clock.now()))
            return image, users, None

    async def _free_and_bury(
        self, image: Image, users: Sequence[Vm], *, patient: bool = False
    ) -> Tombstone | None:
        """Give each VM a disk of its own, then let the image go; it stays if that cannot be.

        ``patient``: a node that is away does not end it; it is gone on with later.
        """
        try:
            for vm in users:
                await self._free(vm)
            return await self._bury_free(image.id)
        except LibraryError as error:
            if not (patient and isinstance(error, NodeUnreachable)):
                await self._take_back(image.id)
            raise

    async def _free(self, vm: Vm) -> None:
        """A disk of its own for the VM, if it has one at all. Done twice, it is done once."""
        if vm.report.stage is not BootStage.IMAGE:
            with suppress(UnknownVm):
                await self._nodes.flatten(await self._vms.node_of(vm), vm.id)
        with suppress(UnknownVm):
            await self._vms.change(vm.id, freed)
        log.info("vm_freed_of_image", vm_id=vm.id, image_id=vm.image_id)

    async def _bury_free(self, image_id: str) -> Tombstone | None:
        async with self._database.write() as records:
            image = await records.images.get(image_id)
            if image is None:
                return None
            await _refuse_needed(records, image)
            users = await records.vms.using(image_id)
            if users:
                raise _in_use(image, users)
            return await self._buried(records, image)

    async def _buried(self, records: Records, image: Image) -> Tombstone | None:
        log.info("image_deleted", image_id=image.id, name=image.title, digest=image.digest)
        return await bury(records, image, self._clock.now())

    async def _take_back(self, image_id: str) -> None:
        """The image as it was before somebody wanted to delete it."""
        async with self._database.write() as records:
            image = await records.images.get(image_id)
            if image is not None and image.phase is ImagePhase.DELETING:
                phase = ImagePhase.READY if image.ready_placements else ImagePhase.ERROR
                await records.images.save(image.evolve(phase=phase, updated_at=self._clock.now()))


def freed(vm: Vm) -> Vm:
    """The VM with a disk of its own; what it was made from stays as a text."""
    return vm.evolve(image_id="", image_digest="", image_path="")


async def _refuse_needed(records: Records, image: Image) -> None:
    """Raises where the image must stay for another reason than VMs."""
    if image.protected:
        remedy = f"Take the protection back first: 'limiquantix images unprotect {image.title}'."
        raise ImageProtected(f"'{image.title}' is protected.", remedy=remedy, field="id")
    for job in await live_jobs(records, image.id):
        cancel = f"Cancel it first: 'limiquantix jobs cancel {job.id}'."
        raise ImageInUse(f"A {job.kind.value} of '{image.title}' is going on.", remedy=cancel, field="id")
    if image.ready_placements and not image.digest:
        path = image.ready_placements[0].path
        raise ImageIsLocal(f"'{image.title}' is the file {printable(path)} on a node.", field="id")


def _in_use(image: Image, users: Sequence[Vm]) -> ImageInUse:
    several = "VMs" if len(users) > 1 else "VM"
    discs = [vm for vm in users if vm.driver_image_id == image.id]
    if discs:
        return ImageInUse(
            f"'{image.title}' is the disc with drivers of the {several} {told(vm.name for vm in discs)}.",
            remedy="Delete such VMs first: they have no other disc.",
            field="id",
        )
    return ImageInUse(
        f"'{image.title}' is the base of the {several} {told(vm.name for vm in users)}.", field="id"
    )


def _refuse_running(users: Sequence[Vm]) -> None:
    running = [vm for vm in users if vm.report.state not in _AT_REST]
    if running:
        verb = "are" if len(running) > 1 else "is"
        raise VmRunning(
            f"The image is the base of {told(vm.name for vm in running)}, which {verb} not stopped.",
            remedy=f"Stop first what runs, such as with 'limiquantix vms stop {printable(running[0].name)}'.",
            field="id",
        )
