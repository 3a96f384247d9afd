"""A template of a VM: its disk is looked at, copied, cleaned, looked at again, and made an image.

The VM's own disk is only read. A stopped one cannot start, be flattened or be deleted while it is copied; one
that runs is frozen for that time. All else is done with the copy, which goes with the attempt. Killed at any
point, the next start begins anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace

import structlog

from image_library.domain.conversion import Shape
from image_library.domain.errors import (
    CannotClean,
    CleaningFailed,
    LibraryError,
    NotGeneralised,
    VmRunning,
)
from image_library.domain.generalisation import AuditReport, GuestAudit, cleaning_script, reported
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.machine import Machine
from image_library.domain.store import DownloadOrder, ImageFacts
from image_library.node.ports.capturing import DiskFile, GuestCleaner, VmDisk, VmDisks
from image_library.node.ports.storage import ImageStore, Output, PartDigests
from image_library.node.ports.vms import VmFolders
from image_library.node.services.frozen_guests import FrozenGuests
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.make_image import Given, ImageMaking, Made, Watch
from image_library.node.services.vm_lives import OPEN, VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

# Beyond what was measured: a file system's check may write what were zeros.
_SLACK = 64 << 20
# Where copying ends, of the whole way.
_COPIED = 0.4


class CaptureVm:
    def __init__(
        self,
        *,
        records: VmRecords,
        lives: VmLives,
        frozen: FrozenGuests,
        folders: VmFolders,
        disks: VmDisks,
        cleaner: GuestCleaner,
        store: ImageStore,
        making: ImageMaking,
        holds: ImageHolds,
    ) -> None:
        self._records = records
        self._lives = lives
        self._frozen = frozen
        self._folders = folders
        self._disks = disks
        self._cleaner = cleaner
        self._store = store
        self._making = making
        self._holds = holds

    async def audit(self, vm_id: str) -> AuditReport:
        """What of the VM's own is on its disk; of one that runs, what has reached the disk by now.

        Raises:
            UnknownVm, HypervisorFailed, JailMissing, JailedProgramDied
        """
        record = self._records.get(vm_id)
        audit = await self._disks.audit(_disk(self._folders, record.machine))
        return reported(audit, runs=record.report.state in OPEN)

    @asynccontextmanager
    async def making(self, order: DownloadOrder, *, key: str, watch: Watch) -> AsyncGenerator[Made]:
        """The template, for as long as the block lasts; what nobody has published then is removed.

        Raises:
            UnknownVm, VmRunning: there is no such VM, or it is not stopped and may not be frozen.
            The errors of ``FrozenGuests``, where it runs.
            NotGeneralised, CannotClean, CleaningFailed, CleanerMissing: it must not become a template so.
            ImageNotReady, ImageFileMissing, ImageChanged, ImageDamaged: the image below it is not whole.
            The errors of ``VmDisks`` and of ``ImageMaking.making``.
        """
        flat = await self._store.open_output(f"{key}-flat")
        try:
            source, audit = await self._copied(order, flat, watch)
            if audit is None:
                audit = await self._disks.audit_copy(flat.fd)
                _judge(audit, order, source[1].vm_name)
            cleaned = order.capture_clean and (audit.cleanable or order.capture_in_guest)
            if order.capture_clean and audit.cleanable:
                audit = await self._clean(flat, audit, order)
            given = Given(
                source=flat,
                # The copy's digest is of no use to anybody.
                digests=PartDigests(size_bytes=flat.size, sha256=""),
                name=order.filename,
                declared=ImageFormat.RAW,
                facts=ImageFacts(format=ImageFormat.RAW, virtual_size_bytes=flat.size),
            )
            wanted = order.wanted or Shape(format=ImageFormat.QCOW2)
            captured = replace(source[1], cleaned=cleaned, left=reported(audit).left)
            lineage = replace(source[0], shape=str(wanted), captured=captured)
            async with self._making.making(given, wanted, key=key, watch=_Rest(watch, flat.size)) as made:
                yield replace(made, converted_from=lineage)
        finally:
            await _drop(flat)

    async def _copied(
        self, order: DownloadOrder, flat: Output, watch: Watch
    ) -> tuple[tuple[ConvertedFrom, CapturedFrom], GuestAudit | None]:
        """Fill ``flat`` with all that the VM's disk shows, unless it may not become a template.

        Without an audit the copy is still to be looked at.
        """
        vm_id = order.capture_vm
        await watch.entered(JobState.INSPECTING)
        if order.capture_in_guest:
            await self._frozen.clean(vm_id, cleaning_script())
        async with self._lives.lock(vm_id):
            record = self._records.get(vm_id)
            machine, runs = record.machine, record.report.state in OPEN
            if runs and not order.capture_frozen:
                raise _not_stopped(machine.name)
            below = "" if machine.flat else machine.backing.digest
            with self._holds.hold(below) if below else nullcontext():
                source = await self._source(machine, below)
                disk = _disk(self._folders, machine, in_use=runs)
                # What an agent has cleaned has not reached the disk yet.
                audit = None if order.capture_in_guest else await self._disks.audit(disk)
                # Read while its guest writes, what cannot be read may only be half written.
                if audit is not None and not (runs and audit.reason):
                    _judge(audit, order, machine.name)
                await watch.entered(JobState.CONVERTING)
                copy = _Copying(self._disks, disk, flat, watch, machine.disk_bytes)
                if runs:
                    copy.tell = lambda share: self._frozen.tell(vm_id, share)
                    await self._frozen.hold(vm_id, copy.run)
                else:
                    await copy.run()
        log.info("vm_disk_copied", vm_id=vm_id, size_bytes=flat.size, ran=runs)
        captured = CapturedFrom(vm_id=vm_id, vm_name=machine.name, frozen=runs)
        return (source, captured), None if runs else audit

    async def _source(self, machine: Machine, below: str) -> ConvertedFrom:
        """The image below the VM's disk, as what the template was made of."""
        if not below:
            return ConvertedFrom(format=ImageFormat.QCOW2.value, digest="", size_bytes=0)
        known = await self._store.find(below)
        return ConvertedFrom(
            format=known.facts.format.value,
            digest=known.digest,
            size_bytes=known.size_bytes,
            trust=known.evidence.level,
        )

    async def _clean(self, flat: Output, audit: GuestAudit, order: DownloadOrder) -> GuestAudit:
        """What is found after cleaning. Raises CleaningFailed where something stayed that should be gone."""
        await self._cleaner.clean(flat.fd, audit)
        after = await self._disks.audit_copy(flat.fd)
        stayed = after.to_clean
        if after.reason or (stayed and not order.capture_force):
            what = after.reason or f"{stayed[0].path.encode(errors='replace').decode()!r} is still there."
            raise CleaningFailed(f"Cleaning did not remove everything: {what}")
        return after


class _Copying:
    def __init__(self, disks: VmDisks, disk: VmDisk, flat: Output, watch: Watch, total: int) -> None:
        self._disks = disks
        self._disk = disk
        self._flat = flat
        self._watch = watch
        self._total = total
        self.tell: Callable[[float], None] = lambda share: None

    async def run(self) -> None:
        self._flat.promise(await self._disks.measure(self._disk) + _SLACK)
        await self._disks.copy(self._disk, self._flat.fd, told=self._told)

    def _told(self, share: float) -> None:
        self._watch.worked(int(self._total * share * _COPIED), self._total)
        self.tell(share)


def _disk(folders: VmFolders, machine: Machine, *, in_use: bool = False) -> VmDisk:
    path = f"{folders.path(machine.vm_id)}/{machine.disk}"
    own = DiskFile(path=path, format=ImageFormat.QCOW2, in_use=in_use)
    if machine.flat:
        return (own,)
    return (own, DiskFile(path=machine.backing.path, format=machine.backing.format))


def _not_stopped(name: str) -> VmRunning:
    remedy = f"Stop it first: 'limiquantix vms stop {name}'; or capture it with --frozen."
    return VmRunning(f"The VM '{name}' is not stopped.", remedy=remedy)


def _judge(audit: GuestAudit, order: DownloadOrder, name: str) -> None:
    """Raises CannotClean or NotGeneralised where VMs made of it would be taken for this one."""
    report = reported(audit)
    if order.capture_force or not report.blockers:
        return
    first, more = report.blockers[0], len(report.blockers) - 1
    what = f"{first.message.rstrip('.')}, and {more} more of its own." if more else first.message
    if order.capture_in_guest and not audit.cleanable:
        raise CleaningFailed(f"Cleaning in the guest did not remove everything: {what}")
    if not order.capture_clean:
        raise NotGeneralised(f"'{name}' would hand on what is its own: {what}", field="clean")
    if not audit.cleanable:
        where = f"file system ({audit.file_system})" if audit.file_system else "disk"
        raise CannotClean(f"The {where} of '{name}' cannot be cleaned from outside: {what}", field="clean")
    if audit.reason:
        raise CannotClean(f"The disk of '{name}' cannot all be read: {first.message}", field="clean")


class _Rest:
    """The way from the copy to the image, as the part of the whole way that is left."""

    def __init__(self, watch: Watch, total: int) -> None:
        self._watch = watch
        self._total = total

    async def entered(self, state: JobState) -> None:
        """It has been looked at, and the conversion goes on."""

    def worked(self, done: int, total: int) -> None:
        part = done / total if total else 1.0
        self._watch.worked(int(self._total * (_COPIED + part * (1 - _COPIED))), self._total)


async def _drop(flat: Output) -> None:
    """Its end is no reason for another one; what stays goes at the next start."""
    with suppress(LibraryError):
        await flat.discard()
