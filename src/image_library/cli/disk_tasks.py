"""Following work on a VM's disk to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from image_library.cli.session import Session

if TYPE_CHECKING:
    from limiquantix.compute.v1.vm_pb import DiskTask, VirtualMachine

# A line each, so that a script's log shows that it moves.
_STEP = 10


def follow(session: Session, begun: VirtualMachine) -> VirtualMachine:
    """The VM once the work that ``begun`` tells of has ended well; leaving lets it go on.

    Raises:
        LibraryError: why it did not end well.
    """
    from image_library.cli.progress import PATIENCE, reconnecting
    from image_library.cli.streams import attended
    from limiquantix.compute.v1.vm_pb import WatchVMRequest

    if not _live(begun):
        return _ended(begun)

    def connect() -> Iterator[VirtualMachine]:
        return session.library.vms.watch_vm(WatchVMRequest(vm_id=begun.id))

    said = -1
    for vm in attended(reconnecting(connect, session.out, seconds=PATIENCE)):
        task = _task(vm)
        if not _live(vm):
            return _ended(vm)
        if not session.json and task is not None and task.percent // _STEP > said:
            said = task.percent // _STEP
            session.out.line(f"{vm.name}: {task.kind} {task.percent} %")
    return begun


def _task(vm: VirtualMachine) -> DiskTask | None:
    return vm.status.disk_task if vm.status else None


def _live(vm: VirtualMachine) -> bool:
    task = _task(vm)
    return task is not None and task.state == "running"


def _ended(vm: VirtualMachine) -> VirtualMachine:
    from image_library.domain import errors

    task = _task(vm)
    if task is not None and task.state == "failed":
        raise errors.rebuild(task.error_code, task.error_message, remedy=task.error_remedy)
    if task is not None and task.state == "cancelled":
        raise errors.DiskTaskInterrupted(f"The {task.kind} of '{vm.name}' was cancelled.")
    return vm
