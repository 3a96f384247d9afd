"""The calls of NodeDaemonService about VMs' disks. Errors are mapped by the server's interceptor."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.errors import NotImplementedYet
from image_library.domain.vm_disk import DiskTaskKind
from image_library.node.services.disk_tasks import DiskTasks
from image_library.node.services.vm_disks import VmDisks
from image_library.node.services.vms import Vms
from image_library.wire.node_vm import vm_report_to_wire
from image_library.wire.vm_disk import task_kind_from_wire
from limiquantix.node.v1 import node_daemon_pb as pb
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceService

Context = ServicerContext[Any, Any]


class DiskCalls(NodeDaemonServiceService):
    def __init__(self, *, disks: VmDisks, tasks: DiskTasks, vms: Vms) -> None:
        self._disks = disks
        self._tasks = tasks
        self._machines = vms

    async def flatten_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._disks.flatten(request.vm_id)
        return Empty()

    async def grow_disk(self, request: pb.GrowDiskOnNodeRequest, context: Context) -> pb.VMStatusResponse:
        await self._disks.grow(request.vm_id, request.size_bytes)
        return self._told(request.vm_id)

    async def begin_disk_task(
        self, request: pb.BeginDiskTaskRequest, context: Context
    ) -> pb.VMStatusResponse:
        await self._begin(request.vm_id, task_kind_from_wire(request.kind), request.subject)
        return self._told(request.vm_id)

    async def cancel_disk_task(self, request: pb.VMIdRequest, context: Context) -> pb.VMStatusResponse:
        await self._tasks.cancel(request.vm_id)
        return self._told(request.vm_id)

    async def delete_snapshot(
        self, request: pb.DeleteSnapshotOnNodeRequest, context: Context
    ) -> pb.VMStatusResponse:
        await self._disks.delete_snapshot(request.vm_id, request.name)
        return self._told(request.vm_id)

    async def _begin(self, vm_id: str, kind: DiskTaskKind, subject: str) -> None:
        match kind:
            case DiskTaskKind.FLATTEN:
                await self._disks.begin_flatten(vm_id)
            case DiskTaskKind.REBASE:
                await self._disks.begin_rebase(vm_id, subject)
            case DiskTaskKind.SNAPSHOT:
                await self._disks.begin_snapshot(vm_id, subject)
            case DiskTaskKind.REVERT:
                await self._disks.begin_revert(vm_id, subject)
            case DiskTaskKind.CAPTURE:
                raise NotImplementedYet("A capture is an image's job.")

    def _told(self, vm_id: str) -> pb.VMStatusResponse:
        return vm_report_to_wire(self._machines.status(vm_id))
