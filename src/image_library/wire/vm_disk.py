"""VMs' disks on the wire: a node's word of one, and what clients see of it."""

from __future__ import annotations

from typing import TypeVar

from image_library.domain.errors import NotImplementedYet, printable
from image_library.domain.image import Failure
from image_library.domain.vm import Vm
from image_library.domain.vm_disk import DiskReport, DiskTask, DiskTaskKind, DiskTaskState, Snapshot
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.compute.v1 import vm_pb
from limiquantix.node.v1 import node_daemon_pb as node_pb

T = TypeVar("T", vm_pb.DiskTask, node_pb.DiskTask)

_KINDS = {kind.value: kind for kind in DiskTaskKind}
_STATES = {state.value: state for state in DiskTaskState}


def task_kind_from_wire(word: str) -> DiskTaskKind:
    """Raises NotImplementedYet where a newer control plane asks for what this node does not know."""
    if word not in _KINDS:
        raise NotImplementedYet(f"This node does not know the disk task '{printable(word)}'.")
    return _KINDS[word]


def disk_to_wire(disk: DiskReport | None) -> node_pb.DiskStatus | None:
    if disk is None:
        return None
    return node_pb.DiskStatus(
        size_bytes=disk.size_bytes,
        base_digest=disk.base_digest,
        flat=disk.flat,
        snapshots=[
            node_pb.SnapshotOnNode(
                name=snapshot.name,
                created_at=time_to_wire(snapshot.created_at),
                size_bytes=snapshot.size_bytes,
                base_digest=snapshot.base_digest,
                stored_bytes=snapshot.stored_bytes,
                expires_at=time_to_wire(snapshot.expires_at),
            )
            for snapshot in disk.snapshots
        ],
        task=_task(disk.task, node_pb.DiskTask),
    )


def disk_from_wire(message: node_pb.DiskStatus | None) -> DiskReport | None:
    """None where the node says nothing of it."""
    if message is None:
        return None
    return DiskReport(
        size_bytes=message.size_bytes,
        base_digest=message.base_digest,
        flat=message.flat,
        snapshots=tuple(
            Snapshot(
                name=snapshot.name,
                created_at=created,
                size_bytes=snapshot.size_bytes,
                base_digest=snapshot.base_digest,
                stored_bytes=snapshot.stored_bytes,
                expires_at=time_from_wire(snapshot.expires_at),
            )
            for snapshot in message.snapshots
            if (created := time_from_wire(snapshot.created_at)) is not None
        ),
        task=_task_from_wire(message.task),
    )


def vm_task_to_wire(vm: Vm) -> vm_pb.DiskTask | None:
    return _task(vm.report.disk.task if vm.report.disk else None, vm_pb.DiskTask)


def vm_snapshots_to_wire(vm: Vm) -> list[vm_pb.Snapshot]:
    """With the names of the images that they are built on, as far as those are known."""
    bases = {base.digest: (base.image_id, base.name) for base in vm.bases}
    if vm.image_digest:
        bases[vm.image_digest] = (vm.image_id, vm.image_name)
    found: list[vm_pb.Snapshot] = []
    for snapshot in vm.report.disk.snapshots if vm.report.disk else ():
        image_id, name = bases.get(snapshot.base_digest, ("", ""))
        found.append(
            vm_pb.Snapshot(
                name=snapshot.name,
                created_at=time_to_wire(snapshot.created_at),
                size_bytes=snapshot.size_bytes,
                stored_bytes=snapshot.stored_bytes,
                image_id=image_id,
                image_name=name,
                expires_at=time_to_wire(snapshot.expires_at),
            )
        )
    return found


def _task(task: DiskTask | None, kind: type[T]) -> T | None:
    if task is None:
        return None
    failure = task.failure or Failure(code="", message="")
    return kind(
        kind=task.kind.value,
        state=task.state.value,
        percent=task.percent,
        subject=task.subject,
        error_code=failure.code,
        error_message=failure.message,
        error_remedy=failure.remedy,
    )


def _task_from_wire(message: node_pb.DiskTask | None) -> DiskTask | None:
    """None also for what this version does not know."""
    if message is None or message.kind not in _KINDS or message.state not in _STATES:
        return None
    failure = None
    if message.error_code:
        failure = Failure(code=message.error_code, message=message.error_message, remedy=message.error_remedy)
    return DiskTask(
        kind=_KINDS[message.kind],
        state=_STATES[message.state],
        percent=message.percent,
        subject=message.subject,
        failure=failure,
    )
