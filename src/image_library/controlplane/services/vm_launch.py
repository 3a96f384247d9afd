"""From a recorded VM to one that runs: wait for its image, let the node make it, start it. Survives restarts.

A VM is PROVISIONING exactly as long as a launch works on it; ``resume`` takes up all of those. Every
step may be done twice: the node answers the second time that it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vms import NodeVms
from image_library.controlplane.services.download_runs import job_key, node_key
from image_library.controlplane.services.vm_followers import VmFollowers
from image_library.controlplane.services.vm_records import VmRecords, after_report
from image_library.controlplane.services.vm_source import usable_copy
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain import errors
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    ImageDeleting,
    ImageNotReady,
    Internal,
    LibraryError,
    NodeUnreachable,
    UnknownImage,
    UnknownVm,
)
from image_library.domain.image import Image, ImagePhase
from image_library.domain.job import Job, JobState
from image_library.domain.trust_policy import TrustPolicy
from image_library.domain.vm import BootStage, PowerState, SeedDocuments, Vm
from image_library.domain.vm_wish import judge_disk_size

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
# A job tells when it moves; looking again now and then costs little and forgives a missed word.
LOOK_AGAIN_SECONDS = 30.0
NOTHING = SeedDocuments(user_data="", meta_data="")


class VmLaunches:
    def __init__(
        self,
        *,
        database: Database,
        records: VmRecords,
        nodes: NodeVms,
        followers: VmFollowers,
        trust: TrustPolicy,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._records = records
        self._nodes = nodes
        self._followers = followers
        self._trust = trust
        self._changes = changes
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[Vm]] = {}

    async def resume(self) -> None:
        """Take up every launch that was under way when the control plane ended."""
        async with self._database.read() as records:
            waiting = await records.vms.in_state(PowerState.PROVISIONING)
        for vm in waiting:
            self.begin(vm)
        if waiting:
            log.info("vm_launches_resumed", vm_ids=[vm.id for vm in waiting])

    def begin(self, vm: Vm) -> None:
        """Launch it in the background, waiting as long as it takes; a failure is written on the VM."""
        if vm.id not in self._tasks:
            self._spawn(vm, self._patiently(vm))

    async def now(self, vm: Vm) -> Vm:
        """Launch a VM whose image is there, and answer when it is done; a failure leaves nothing.

        Raises:
            LibraryError: what the node refused it for.
        """
        task = self._spawn(vm, self._at_once(vm))
        try:
            # The launch goes on, or is undone, even when the caller leaves.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not task.cancelled() or (caller and caller.cancelling()):
                raise
            raise UnknownVm("The VM was deleted while it was made.", field="id") from None

    async def stop(self, vm_id: str) -> None:
        """Give up a launch that is under way, because the VM is not wanted any more."""
        task = self._tasks.get(vm_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Let go of every launch; the next start takes them up."""
        for vm_id in list(self._tasks):
            await self.stop(vm_id)

    def _spawn(self, vm: Vm, work: Coroutine[Any, Any, Vm]) -> asyncio.Task[Vm]:
        task = asyncio.get_running_loop().create_task(work, name=f"launch-{vm.id}")
        self._tasks[vm.id] = task
        task.add_done_callback(lambda done: self._ended(vm.id, done))
        return task

    def _ended(self, vm_id: str, task: asyncio.Task[Vm]) -> None:
        if self._tasks.get(vm_id) is task:
            del self._tasks[vm_id]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, LibraryError):
            log.error("vm_launch_fault", vm_id=vm_id, exc_info=error)

    async def _at_once(self, vm: Vm) -> Vm:
        try:
            return await self._make_and_start(vm)
        except Exception as error:
            reason = self._reason(vm, error)
            await self._undo(vm, reason)
            raise reason from error

    def _reason(self, vm: Vm, error: Exception) -> LibraryError:
        if isinstance(error, LibraryError):
            log.warning("vm_launch_failed", vm_id=vm.id, node_id=vm.node_id, code=error.code)
            return error
        log.error("vm_launch_fault", vm_id=vm.id, exc_info=error)
        return Internal("Making the VM failed.")

    async def _undo(self, vm: Vm, error: LibraryError) -> None:
        """Remove what there is of it; the record stays if the node cannot be asked to do the same."""
        try:
            await self._nodes.delete(await self._records.node_of(vm), vm.id)
        except LibraryError:
            with suppress(UnknownVm):
                await self._records.fail(vm.id, error)
        else:
            await self._records.remove(vm.id)

    async def _patiently(self, vm: Vm) -> Vm:
        try:
            vm = await self._with_image(vm)
            return await self._until_reachable(vm)
        except Exception as error:
            try:
                return await self._records.fail(vm.id, self._reason(vm, error))
            except UnknownVm:
                await self._leave_nothing(vm)
                return vm

    async def _leave_nothing(self, vm: Vm) -> None:
        """It was deleted while its launch began: whatever the node has of it is nobody's any more."""
        with suppress(LibraryError):
            await self._nodes.delete(await self._records.node_of(vm), vm.id)

    async def _until_reachable(self, vm: Vm) -> Vm:
        pause = FIRST_PAUSE_SECONDS
        with self._changes.follow(node_key(vm.node_id)) as back:
            while True:
                try:
                    return await self._make_and_start(vm)
                except NodeUnreachable as error:
                    vm = await self._records.note(vm.id, error)
                await bell_or_time(back, self._clock, pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _with_image(self, vm: Vm) -> Vm:
        """The VM once its version is whole on its node; the version's digest is written down with it."""
        if vm.has_image:
            return vm
        await self._job_ended(vm)
        async with self._database.read() as records:
            image = await records.images.get(vm.image_id)
        # The VM's row has been a reference on the image since before the download.
        return await self._records.change(vm.id, lambda v: with_version(v, image, self._trust))

    async def _job_ended(self, vm: Vm) -> None:
        with self._changes.follow(job_key(vm.job_id)) as moved:
            while True:
                async with self._database.read() as records:
                    job = await records.jobs.get(vm.job_id)
                if job is None or job.state is JobState.READY:
                    return
                if job.state.ended:
                    raise _why(job)
                await bell_or_time(moved, self._clock, LOOK_AGAIN_SECONDS)

    async def _make_and_start(self, vm: Vm) -> Vm:
        node = await self._records.node_of(vm)
        if vm.report.stage is BootStage.IMAGE:
            await self._nodes.create(node, vm)
            # The seed is on the node now; what need not be kept cannot leak.
            vm = await self._records.change(
                vm.id, lambda v: _at_stage(v, BootStage.DISK).evolve(seed=NOTHING)
            )
        if not vm.start_on_create:
            return await self._records.change(vm.id, _stopped)
        await self._nodes.start(node, vm.id)
        report = await self._nodes.status(node, vm.id)
        vm = await self._records.change(vm.id, lambda v: after_report(v, report))
        log.info("vm_launched", vm_id=vm.id, node_id=vm.node_id, image_digest=vm.image_digest)
        self._followers.ensure(vm)
        return vm


def with_version(vm: Vm, image: Image | None, trust: TrustPolicy) -> Vm:
    """The VM bound to the version that lies on its node. Call it where the VM is saved, in one transaction.

    Raises:
        ImageNotReady: there is no whole copy.
        ImageTrustTooLow: its bytes are not proved as far as the VM's project demands.
        DiskTooSmall: the image does not fit on the wished disk.
    """
    copy = usable_copy(image, vm.node_id) if image else None
    if image is None or copy is None:
        raise ImageNotReady(f"Image '{vm.image_name}' is not on the VM's node any more.")
    trust.judge(image.trust, project=vm.project_id, image=image.name)
    judge_disk_size(vm.disk_gib, image.virtual_size_bytes)
    return vm.evolve(
        image_id=image.id,
        image_name=image.name,
        image_digest=image.digest,
        image_path=copy.path,
        job_id="",
    )


async def bound_if_ready(records: Records, vm: Vm, trust: TrustPolicy) -> Vm:
    """The VM bound to its version if that is there; unchanged if its job has yet to bring it.

    Raises:
        UnknownImage, ImageDeleting: the VM's project may not use it, or nobody may any more.
        ImageNotReady, ImageTrustTooLow, DiskTooSmall: as ``with_version``.
    """
    image = await records.images.get(vm.image_id)
    if image is not None and not image.usable_by(vm.project_id):
        # It was taken back meanwhile; that it is there is not told.
        raise UnknownImage(f"There is no image '{vm.image_name}'.", field="spec.disks.image")
    if image is not None and image.phase is ImagePhase.DELETING:
        raise ImageDeleting(f"Image '{image.title}' is being deleted.", field="spec.disks.image")
    # An operator's file is a version only once it is adopted.
    if vm.job_id and (image is None or not image.digest or usable_copy(image, vm.node_id) is None):
        return vm
    return with_version(vm, image, trust)


def _why(job: Job) -> LibraryError:
    failure = job.failure
    if failure is None:
        return ImageNotReady(f"The download of '{job.image_name}' ended without the image.")
    return errors.rebuild(failure.code, failure.message, remedy=failure.remedy)


def _at_stage(vm: Vm, stage: BootStage) -> Vm:
    return vm.evolve(report=replace(vm.report, stage=stage), failure=None)


def _stopped(vm: Vm) -> Vm:
    return vm.evolve(report=replace(vm.report, state=PowerState.STOPPED))
