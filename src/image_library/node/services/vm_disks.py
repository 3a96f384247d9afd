"""VMs' disks: grown, freed of their image, put on another version of it, kept and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from image_library.domain.errors import (
    DiskTooSmall,
    LibraryError,
    RebaseRefused,
    SnapshotExists,
    UnknownSnapshot,
    VmRunning,
    printable,
)
from image_library.domain.machine import GIB, MAX_DISK_GIB, Backing, KeptDisk, Machine, MachineRecord
from image_library.domain.vm_disk import (
    KEEP_BEFORE_REBASE,
    MOST_SNAPSHOTS,
    DiskTask,
    DiskTaskKind,
    Snapshot,
    judge_growth,
    valid_snapshot_name,
)
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import DiskChanger, DiskMaker, Hypervisor, PublishedImages, VmFolders
from image_library.node.services.disk_tasks import DiskTasks, Told
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.vm_lives import ALIVE, OPEN, VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

# How often snapshots are looked for whose time is over.
LOOK_SECONDS = 3600.0


class VmDisks:
    def __init__(
        self,
        *,
        records: VmRecords,
        lives: VmLives,
        folders: VmFolders,
        hypervisor: Hypervisor,
        maker: DiskMaker,
        changer: DiskChanger,
        images: PublishedImages,
        holds: ImageHolds,
        tasks: DiskTasks,
        clock: Clock,
    ) -> None:
        self._records = records
        self._lives = lives
        self._folders = folders
        self._hypervisor = hypervisor
        self._maker = maker
        self._changer = changer
        self._images = images
        self._holds = holds
        self._tasks = tasks
        self._clock = clock

    async def recover(self) -> None:
        """After the records were loaded: writes down what disks had grown to when the node was ended."""
        for record in self._records.all():
            machine = record.machine
            try:
                found = await self._changer.size(self._path(machine))
            except LibraryError as error:
                # A VM's start tells it, too.
                log.warning("disk_not_measured", vm_id=machine.vm_id, code=error.code)
                continue
            if found > machine.disk_bytes:
                log.info("disk_had_grown", vm_id=machine.vm_id, bytes=found)
                known = partial(MachineRecord.with_machine, disk_bytes=found)
                await self._records.update(machine.vm_id, known)

    async def grow(self, vm_id: str, size_bytes: int) -> None:
        """Make the disk that large, also while the VM runs. The size it has is fine.

        Raises:
            UnknownVm, VmBusy, DiskShrinks, DiskTooSmall
            VmRunning: it is not known whether it runs.
            StorageFull, StorageIo, HypervisorMissing, HypervisorFailed: it could not be done.
        """
        if not 0 < size_bytes <= MAX_DISK_GIB * GIB:
            raise DiskTooSmall(f"A VM's disk has 1 to {MAX_DISK_GIB} GiB.", field="size_gib")
        self._tasks.refuse_busy(self._records.get(vm_id))
        await self._lives.to_the_end(self._grow(vm_id, size_bytes))

    async def _grow(self, vm_id: str, size_bytes: int) -> None:
        async with self._lives.lock(vm_id):
            record = self._records.get(vm_id)
            judge_growth(record.machine.disk_bytes, size_bytes)
            if record.report.state in ALIVE:
                await self._hypervisor.resize_disk(vm_id, size_bytes)
            elif record.report.state in OPEN:
                raise VmRunning(f"It is not known whether the VM '{record.machine.name}' runs.")
            else:
                await self._changer.grow(self._path(record.machine), size_bytes)
            # Read again: what runs has been reported on meanwhile.
            await self._records.put(self._records.get(vm_id).with_machine(disk_bytes=size_bytes))
            log.info("disk_grown", vm_id=vm_id, bytes=size_bytes)

    async def flatten(self, vm_id: str) -> None:
        """Give a stopped VM a disk that needs no image; return when it has it. One that has it keeps it."""
        task = await self.begin_flatten(vm_id)
        if task is not None:
            await asyncio.shield(task)

    async def begin_flatten(self, vm_id: str) -> asyncio.Task[None] | None:
        """Begin the same; None where there is nothing to do. See ``DiskTasks.begin``."""
        if self._records.get(vm_id).machine.flat:
            return None
        return await self._tasks.begin(vm_id, DiskTask(kind=DiskTaskKind.FLATTEN), self._flattened)

    async def begin_rebase(self, vm_id: str, digest: str) -> None:
        """Begin to put a stopped VM's disk on the image ``digest``; its guest sees the same bytes as before.

        The disk that it had is kept as a snapshot for a while.

        Raises:
            RebaseRefused: its disk needs no image.
            ImageNotReady, ImageFileMissing, ImageChanged, ImageDamaged: that image, or its own, is not whole.
            UnknownVm, VmBusy, VmRunning, SnapshotExists
        """
        machine = self._records.get(vm_id).machine
        if machine.flat or not machine.backing.digest:
            raise RebaseRefused(f"The disk of '{machine.name}' is not built on an image of the library.")
        if machine.backing.digest == digest:
            raise RebaseRefused(f"The disk of '{machine.name}' is on that version already.")
        _room_for_one(machine)
        image = await self._images.find(digest)
        await self._images.find(machine.backing.digest)
        new = Backing(path=image.blob_path, format=image.facts.format, digest=image.digest)
        task = DiskTask(kind=DiskTaskKind.REBASE, subject=digest)

        async def work(machine: Machine, told: Told) -> Machine:
            with self._holds.hold(digest), self._holds.hold(machine.backing.digest):
                return await self._rebased(machine, new, told)

        await self._tasks.begin(vm_id, task, work)

    async def begin_snapshot(self, vm_id: str, name: str) -> None:
        """Begin to keep a stopped VM's disk as it is.

        Raises:
            InvalidRequest, SnapshotExists: the name cannot be used.
            UnknownVm, VmBusy, VmRunning
        """
        _free_name(self._records.get(vm_id).machine, valid_snapshot_name(name))

        async def work(machine: Machine, told: Told) -> Machine:
            target = machine.next_file
            stored = await self._copied(machine, machine.disk, target, told)
            kept = self._kept(machine, name, file=target, stored=stored)
            return _with_file(machine, snapshots=(*machine.snapshots, kept))

        await self._tasks.begin(vm_id, DiskTask(kind=DiskTaskKind.SNAPSHOT, subject=name), work)

    async def begin_revert(self, vm_id: str, name: str) -> None:
        """Begin to give a stopped VM the disk of a snapshot, in place of what it has. The snapshot stays.

        Raises:
            UnknownVm, UnknownSnapshot, VmBusy, VmRunning
        """
        _named(self._records.get(vm_id).machine, name)

        async def work(machine: Machine, told: Told) -> Machine:
            kept = _named(machine, name)
            target = machine.next_file
            await self._copied(machine, kept.file, target, told)
            return _with_file(
                machine,
                disk_name=target,
                backing=kept.backing,
                flat=kept.flat,
                disk_bytes=kept.snapshot.size_bytes,
            )

        await self._tasks.begin(vm_id, DiskTask(kind=DiskTaskKind.REVERT, subject=name), work)

    async def delete_snapshot(self, vm_id: str, name: str) -> None:
        """Raises UnknownVm, UnknownSnapshot or VmBusy. Also while the VM runs."""
        self._tasks.refuse_busy(self._records.get(vm_id))
        await self._lives.to_the_end(self._delete_snapshot(vm_id, name))

    async def _delete_snapshot(self, vm_id: str, name: str) -> None:
        async with self._lives.lock(vm_id):
            record = self._records.get(vm_id)
            gone = _named(record.machine, name)
            left = tuple(kept for kept in record.machine.snapshots if kept is not gone)
            # The record goes first: a file that nobody names is cleared at the next start.
            await self._records.put(record.with_machine(snapshots=left))
            await self._folders.drop(vm_id, gone.file)
            log.info("snapshot_deleted", vm_id=vm_id, name=name)

    async def expire(self) -> None:
        """Deletes the snapshots whose time is over; those of a VM that is worked on wait."""
        now = self._clock.now()
        for record in self._records.all():
            for kept in record.machine.snapshots:
                if kept.snapshot.expires_at is not None and kept.snapshot.expires_at <= now:
                    await self._expired(record, kept.snapshot.name)

    async def run(self) -> None:
        """Does so from time to time, until it is cancelled."""
        while True:
            await self.expire()
            await self._clock.sleep(LOOK_SECONDS)

    async def _expired(self, record: MachineRecord, name: str) -> None:
        try:
            await self.delete_snapshot(record.machine.vm_id, name)
        except LibraryError as error:
            log.warning("snapshot_not_expired", vm_id=record.machine.vm_id, name=name, code=error.code)

    async def _flattened(self, machine: Machine, told: Told) -> Machine:
        target = machine.next_file
        await self._maker.flatten(
            self._path(machine),
            self._path(machine, target),
            backing=machine.backing.path,
            backing_format=machine.backing.format,
            told=told,
        )
        return _with_file(machine, disk_name=target, flat=True)

    async def _rebased(self, machine: Machine, new: Backing, told: Told) -> Machine:
        target = machine.next_file
        source, made = self._path(machine), self._path(machine, target)
        await self._changer.rebase(source, made, old=machine.backing, new=new, told=told)
        # The disk that it had becomes the snapshot: nothing needs to be copied for it.
        name = _unused(machine, f"before-rebase-{self._clock.now():%Y%m%d-%H%M%S}")
        kept = self._kept(machine, name, file=machine.disk)
        until = kept.snapshot.created_at + KEEP_BEFORE_REBASE
        kept = replace(kept, snapshot=replace(kept.snapshot, expires_at=until))
        return _with_file(machine, disk_name=target, backing=new, snapshots=(*machine.snapshots, kept))

    async def _copied(self, machine: Machine, source: str, target: str, told: Callable[[float], None]) -> int:
        return await self._changer.copy(self._path(machine, source), self._path(machine, target), told=told)

    def _kept(self, machine: Machine, name: str, *, file: str, stored: int = 0) -> KeptDisk:
        snapshot = Snapshot(
            name=name,
            created_at=self._clock.now(),
            size_bytes=machine.disk_bytes,
            base_digest="" if machine.flat else machine.backing.digest,
            stored_bytes=stored,
        )
        return KeptDisk(snapshot=snapshot, file=file, backing=machine.backing, flat=machine.flat)

    def _path(self, machine: Machine, name: str = "") -> str:
        return f"{self._folders.path(machine.vm_id)}/{name or machine.disk}"


def _with_file(machine: Machine, **changes: object) -> Machine:
    """The machine with ``next_file`` among its files."""
    return replace(machine, files_made=machine.files_made + 1, **changes)  # pyright: ignore[reportArgumentType]


def _named(machine: Machine, name: str) -> KeptDisk:
    found = next((kept for kept in machine.snapshots if kept.snapshot.name == name), None)
    if found is None:
        raise UnknownSnapshot(f"'{machine.name}' has no snapshot '{printable(name)}'.", field="name")
    return found


def _free_name(machine: Machine, name: str) -> None:
    if any(kept.snapshot.name == name for kept in machine.snapshots):
        raise SnapshotExists(f"'{machine.name}' has a snapshot '{name}' already.", field="name")
    _room_for_one(machine)


def _room_for_one(machine: Machine) -> None:
    if len(machine.snapshots) >= MOST_SNAPSHOTS:
        raise SnapshotExists(f"'{machine.name}' has {MOST_SNAPSHOTS} snapshots, and may have no more.")


def _unused(machine: Machine, name: str) -> str:
    taken = {kept.snapshot.name for kept in machine.snapshots}
    more = (f"{name}-{number}" for number in range(2, MOST_SNAPSHOTS + 2))
    return next(one for one in (name, *more) if one not in taken)
