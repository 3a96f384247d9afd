"""The VMService RPCs about disks and snapshots."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.services.vm_disks import VmDiskService
from image_library.wire.vm import vm_to_wire
from image_library.wire.vm_disk import vm_snapshots_to_wire
from limiquantix.compute.v1 import vm_pb as pb

Context = RequestContext[Any, Any]


class VmDiskHandlers:
    _disks: VmDiskService

    async def grow_disk(self, request: pb.GrowDiskRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._disks.grow(request.id, request.size_gib))

    async def flatten_disk(self, request: pb.FlattenDiskRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._disks.flatten(request.id))

    async def rebase_vm(self, request: pb.RebaseVMRequest, ctx: Context, /) -> pb.RebaseVMResponse:
        done = await self._disks.rebase(request.id, request.image, dry_run=request.dry_run)
        return pb.RebaseVMResponse(
            vm=vm_to_wire(done.vm),
            from_image_id=done.old.id,
            to_image_id=done.new.id,
            from_title=done.old.title,
            to_title=done.new.title,
        )

    async def create_snapshot(self, request: pb.CreateSnapshotRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._disks.snapshot(request.id, request.name))

    async def revert_to_snapshot(
        self, request: pb.RevertToSnapshotRequest, ctx: Context, /
    ) -> pb.VirtualMachine:
        return vm_to_wire(await self._disks.revert(request.id, request.name))

    async def list_snapshots(
        self, request: pb.ListSnapshotsRequest, ctx: Context, /
    ) -> pb.ListSnapshotsResponse:
        vm = await self._disks.snapshots(request.id)
        return pb.ListSnapshotsResponse(snapshots=vm_snapshots_to_wire(vm))

    async def delete_snapshot(self, request: pb.DeleteSnapshotRequest, ctx: Context, /) -> Empty:
        await self._disks.delete_snapshot(request.id, request.name)
        return Empty()

    async def cancel_disk_task(self, request: pb.CancelDiskTaskRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._disks.cancel(request.id))
