"""Long work on VMs' disks: one at a time a VM, told as it goes, ended on demand, taken whole or not at all.

What is made is durable before the journal's record says that it is the VM's; only then does the old one go.
So a VM has one whole disk, wherever the node is killed; what no record names is cleared at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from image_library.domain.errors import DiskTaskInterrupted, Internal, LibraryError, VmBusy, VmRunning
from image_library.domain.image import Failure
from image_library.domain.machine import Machine, MachineRecord, is_disk_file
from image_library.domain.vm_disk import DiskTask, DiskTaskState
from image_library.node.ports.vms import Hypervisor, VmFolders
from image_library.node.services.vm_lives import OPEN, VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

Told = Callable[[float], None]
# Makes what the machine is to have, and says how the machine is with it.
Work = Callable[[Machine, Told], Awaitable[Machine]]


class DiskTasks:
    """Used from one event loop."""

    def __init__(
        self, *, records: VmRecords, lives: VmLives, folders: VmFolders, hypervisor: Hypervisor
    ) -> None:
        self._records = records
        self._lives = lives
        self._folders = folders
        self._hypervisor = hypervisor
        # What is being made, by VM, until the record takes it.
        self._making: dict[str, asyncio.Task[Machine]] = {}
        self._closing = False

    async def recover(self) -> None:
        """After the records were loaded: clears what dead work left, and says that it is dead."""
        for record in self._records.all():
            # A capture goes on as a job, and is over when its VM is let go.
            if record.task is not None and record.task.live and not record.frozen:
                dead = DiskTaskInterrupted("The node was ended in the middle of it.")
                await self._say(record.machine.vm_id, DiskTaskState.FAILED, dead)
            await self._clear(record.machine.vm_id)

    async def close(self) -> None:
        """Ends all work; the next start clears what is left of it."""
        self._closing = True
        for making in self._making.values():
            making.cancel()

    async def begin(self, vm_id: str, task: DiskTask, work: Work) -> asyncio.Task[None]:
        """Begin, and give what ends when the work does, well or not: ``result`` raises why not.

        Raises:
            UnknownVm, VmBusy
            VmRunning: it runs, or it is not known whether it does.
        """
        self.refuse_busy(self._records.get(vm_id))
        lock = self._lives.lock(vm_id)
        await lock.acquire()
        try:
            record = self._records.get(vm_id)
            refuse_open(record)
            await self._records.put(record.evolve(task=task))
            making = asyncio.ensure_future(work(record.machine, lambda share: self._progress(vm_id, share)))
            self._making[vm_id] = making
            whole = self._lives.keep(asyncio.create_task(self._run(vm_id, making)))
        except BaseException:
            lock.release()
            raise
        # Not in the work: it may be cancelled before it has begun.
        whole.add_done_callback(lambda _: lock.release())
        log.info("disk_task_began", vm_id=vm_id, kind=task.kind.value)
        return whole

    async def cancel(self, vm_id: str) -> None:
        """End what goes on, and return when nothing is left of it. Nothing going on is fine.

        Raises:
            UnknownVm
            VmBusy: it is a capture, which ends with its own job.
        """
        making = self._making.get(vm_id)
        refuse_frozen(self._records.get(vm_id))
        if making is not None:
            making.cancel()
            async with self._lives.lock(vm_id):
                return

    def refuse_busy(self, record: MachineRecord) -> None:
        """Raises VmBusy where work on its disk goes on: who waited for it might wait for hours."""
        refuse_frozen(record)
        if record.machine.vm_id in self._making:
            kind = record.task.kind.value if record.task else "task"
            name = record.machine.name
            raise VmBusy(
                f"A {kind} of the disk of '{name}' is going on.",
                remedy=f"Wait, or cancel it: 'limiquantix vms cancel {name}'.",
            )

    async def _run(self, vm_id: str, making: asyncio.Task[Machine]) -> None:
        try:
            await asyncio.wait({making})
            # What is left is short: whoever comes now waits for the lock.
            self._making.pop(vm_id, None)
            await self._take(vm_id, making.result())
        except asyncio.CancelledError:
            log.info("disk_task_cancelled", vm_id=vm_id)
            if not self._closing:
                await self._say(vm_id, DiskTaskState.CANCELLED)
                await self._clear(vm_id)
            raise DiskTaskInterrupted("It was cancelled.") from None
        except Exception as error:
            reason = error if isinstance(error, LibraryError) else Internal("The work on the disk failed.")
            log.warning("disk_task_failed", vm_id=vm_id, code=reason.code, exc_info=error is not reason)
            await self._say(vm_id, DiskTaskState.FAILED, reason)
            raise reason from error

    async def _take(self, vm_id: str, machine: Machine) -> None:
        """From here on it cannot be cancelled: the record names the new files before the old ones go."""
        record = self._records.get(vm_id)
        done = replace(record.task, state=DiskTaskState.DONE, percent=100) if record.task else None
        await self._records.put(record.evolve(machine=machine, task=done))
        # What does not succeed here is done again when the VM is started, or the node.
        with suppress(LibraryError):
            await self._hypervisor.define(machine)
            await self._clear(vm_id)
        log.info("disk_task_done", vm_id=vm_id, disk=machine.disk)

    async def _say(self, vm_id: str, state: DiskTaskState, error: LibraryError | None = None) -> None:
        failure = Failure(code=error.code, message=error.message, remedy=error.remedy) if error else None

        def said(record: MachineRecord) -> MachineRecord:
            task = record.task and replace(record.task, state=state, failure=failure)
            return record.evolve(task=task)

        await self._records.update(vm_id, said)

    def _progress(self, vm_id: str, share: float) -> None:
        percent = min(99, int(share * 100))
        self._records.tell(vm_id, lambda record: _at(record, percent))

    async def _clear(self, vm_id: str) -> None:
        """Removes what was or was to become a disk of the VM, and is none by its record."""
        record = self._records.find(vm_id)
        if record is not None:
            for name in await self._folders.files(vm_id):
                if is_disk_file(name) and name not in record.machine.disk_files:
                    log.info("disk_cleared", vm_id=vm_id, file=name)
                    await self._folders.drop(vm_id, name)


def refuse_frozen(record: MachineRecord) -> None:
    """Raises VmBusy where it stands still for its disk to be copied."""
    if record.frozen:
        raise VmBusy(
            f"'{record.machine.name}' stands still while its disk is copied for a template.",
            remedy="Wait, or cancel that job: 'limiquantix jobs cancel JOB'; a forced stop ends it too.",
        )


def refuse_open(record: MachineRecord) -> None:
    """Raises VmRunning where its process is there, or may be."""
    name = record.machine.name
    if record.report.state in OPEN:
        raise VmRunning(
            f"The VM '{name}' is not stopped.", remedy=f"Stop it first: 'limiquantix vms stop {name}'."
        )


def _at(record: MachineRecord, percent: int) -> MachineRecord:
    task = record.task
    return record.evolve(task=replace(task, percent=percent)) if task and task.live else record
