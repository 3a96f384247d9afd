"""A node behind real gRPC on a loopback port. Its VMs are plain values, and a test says how they fare."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import grpc
from grpc import aio
from protobuf.wkt import Empty

from image_library.domain.changes import Changes
from image_library.domain.errors import (
    ConsoleMissing,
    DiskShrinks,
    LibraryError,
    UnknownSnapshot,
    UnknownVm,
    VmBusy,
    VmNotRunning,
)
from image_library.domain.machine import MachineOrder
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, VmReport
from image_library.domain.vm_disk import DiskReport, DiskTask, DiskTaskKind, DiskTaskState
from image_library.wire.errors import to_grpc
from image_library.wire.node_vm import machine_order_from_wire, vm_report_to_wire
from limiquantix.node.v1 import node_daemon_pb as pb
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceService

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class GrpcVmNode(NodeDaemonServiceService):
    def __init__(self, *, join_token: str) -> None:
        self.join_token = join_token
        self.endpoint = ""
        self.orders: dict[str, MachineOrder] = {}
        self.reports: dict[str, VmReport] = {}
        self.console = b""
        # What its displays show; None: its VMs have none.
        self.screenshot: bytes | None = None
        # Answered instead of starting a VM.
        self.refusal: LibraryError | None = None
        self.stopped: list[tuple[str, int]] = []
        self.flattened: list[str] = []
        self.rebooted: list[str] = []
        self.removed: list[str] = []
        self._changes = Changes()

    def say(self, vm_id: str, **changes: object) -> None:
        self.reports[vm_id] = replace(self.reports[vm_id], **changes)  # pyright: ignore[reportArgumentType]
        self._changes.notify(vm_id)

    def booted(self, vm_id: str) -> None:
        addresses = ("10.0.2.15",)
        self.say(vm_id, stage=BootStage.DONE, cloud_init=CloudInitStatus.DONE, ip_addresses=addresses)

    async def create_vm(
        self, request: pb.CreateVMOnNodeRequest, context: Context
    ) -> pb.CreateVMOnNodeResponse:
        await self._known_caller(context)
        order = machine_order_from_wire(request, architecture="x86_64")
        created = order.vm_id not in self.orders
        self.orders.setdefault(order.vm_id, order)
        self.reports.setdefault(order.vm_id, VmReport(vm_id=order.vm_id, state=PowerState.STOPPED))
        return pb.CreateVMOnNodeResponse(vm_id=order.vm_id, created=created)

    async def start_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._vm(request.vm_id, context)
        if self.refusal is not None:
            await _abort(context, self.refusal)
        self.say(
            request.vm_id,
            state=PowerState.RUNNING,
            stage=BootStage.BOOT,
            ssh_host="127.0.0.1",
            ssh_port=2222,
        )
        return Empty()

    async def stop_vm(self, request: pb.StopVMRequest, context: Context) -> Empty:
        await self._vm(request.vm_id, context)
        self.stopped.append((request.vm_id, request.timeout_seconds))
        self.say(request.vm_id, state=PowerState.STOPPED)
        return Empty()

    async def force_stop_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._vm(request.vm_id, context)
        self.stopped.append((request.vm_id, -1))
        self.say(request.vm_id, state=PowerState.STOPPED)
        return Empty()

    async def delete_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._known_caller(context)
        self.reports.pop(request.vm_id, None)
        self.orders.pop(request.vm_id, None)
        self._changes.notify(request.vm_id)
        return Empty()

    async def flatten_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._vm(request.vm_id, context)
        if self.refusal is not None:
            await _abort(context, self.refusal)
        self.flattened.append(request.vm_id)
        return Empty()

    async def reboot_vm(self, request: pb.VMIdRequest, context: Context) -> Empty:
        report = await self._vm(request.vm_id, context)
        if report.state is not PowerState.RUNNING:
            await _abort(context, VmNotRunning("The VM does not run."))
        self.rebooted.append(request.vm_id)
        return Empty()

    async def grow_disk(self, request: pb.GrowDiskOnNodeRequest, context: Context) -> pb.VMStatusResponse:
        report = await self._vm(request.vm_id, context)
        if report.disk and request.size_bytes < report.disk.size_bytes:
            await _abort(context, DiskShrinks("It is larger already."))
        return self.disk_becomes(request.vm_id, size_bytes=request.size_bytes)

    async def begin_disk_task(
        self, request: pb.BeginDiskTaskRequest, context: Context
    ) -> pb.VMStatusResponse:
        report = await self._vm(request.vm_id, context)
        if report.disk and report.disk.task and report.disk.task.live:
            await _abort(context, VmBusy("A task is going on."))
        task = DiskTask(kind=DiskTaskKind(request.kind), subject=request.subject)
        return self.disk_becomes(request.vm_id, task=task)

    async def cancel_disk_task(self, request: pb.VMIdRequest, context: Context) -> pb.VMStatusResponse:
        report = await self._vm(request.vm_id, context)
        assert report.disk is not None
        assert report.disk.task is not None
        task = replace(report.disk.task, state=DiskTaskState.CANCELLED)
        return self.disk_becomes(request.vm_id, task=task)

    async def delete_snapshot(
        self, request: pb.DeleteSnapshotOnNodeRequest, context: Context
    ) -> pb.VMStatusResponse:
        report = await self._vm(request.vm_id, context)
        kept = report.disk.snapshots if report.disk else ()
        left = tuple(snapshot for snapshot in kept if snapshot.name != request.name)
        if left == kept:
            await _abort(context, UnknownSnapshot("There is no such snapshot."))
        return self.disk_becomes(request.vm_id, snapshots=left)

    def disk_becomes(self, vm_id: str, **changes: Any) -> pb.VMStatusResponse:
        base = self.orders[vm_id].disk.backing_digest
        disk = self.reports[vm_id].disk or DiskReport(size_bytes=3 << 30, base_digest=base)
        self.say(vm_id, disk=replace(disk, **changes))
        return vm_report_to_wire(self.reports[vm_id])

    async def remove_image(self, request: pb.RemoveImageRequest, context: Context) -> Empty:
        await self._known_caller(context)
        self.removed.append(request.digest)
        return Empty()

    async def get_vm_status(self, request: pb.VMIdRequest, context: Context) -> pb.VMStatusResponse:
        return vm_report_to_wire(await self._vm(request.vm_id, context))

    async def watch_vm(self, request: pb.VMIdRequest, context: Context) -> AsyncIterator[pb.VMStatusResponse]:
        await self._vm(request.vm_id, context)
        with self._changes.follow(request.vm_id) as changed:
            while request.vm_id in self.reports:
                yield vm_report_to_wire(self.reports[request.vm_id])
                await changed.wait()

    async def read_console(
        self, request: pb.ReadConsoleOnNodeRequest, context: Context
    ) -> AsyncIterator[pb.ConsoleChunk]:
        await self._vm(request.vm_id, context)
        for at in range(request.offset, len(self.console), 4):
            yield pb.ConsoleChunk(offset=at, data=self.console[at : at + 4])

    async def attach_console(
        self, request_iterator: AsyncIterator[pb.ConsoleInput], context: Context
    ) -> AsyncIterator[pb.ConsoleOutput]:
        """Greets, then gives back what is typed; "stop" stops the VM. A display greets with its password."""
        first = await anext(aiter(request_iterator))
        await self._vm(first.vm_id, context)
        yield pb.ConsoleOutput(data=first.password.encode() or b"login: ")
        async for message in request_iterator:
            if message.data == b"stop":
                await _abort(context, VmNotRunning("The VM has stopped."))
            yield pb.ConsoleOutput(data=message.data)

    async def check_display(self, request: pb.VMIdRequest, context: Context) -> Empty:
        await self._vm(request.vm_id, context)
        if self.screenshot is None:
            await _abort(context, ConsoleMissing("The VM was started without a display."))
        return Empty()

    async def take_screenshot(self, request: pb.VMIdRequest, context: Context) -> pb.ScreenshotOnNode:
        await self.check_display(request, context)
        return pb.ScreenshotOnNode(data=self.screenshot or b"", width=2, height=1)

    async def _vm(self, vm_id: str, context: Context) -> VmReport:
        await self._known_caller(context)
        if vm_id not in self.reports:
            await _abort(context, UnknownVm(f"There is no VM '{vm_id}' here."))
        return self.reports[vm_id]

    async def _known_caller(self, context: Context) -> None:
        shown = dict(context.invocation_metadata() or ()).get("authorization")
        if shown != f"Bearer {self.join_token}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "not the control plane")


async def _abort(context: Context, error: LibraryError) -> None:
    code, message, trailing = to_grpc(error)
    await context.abort(code, message, trailing)


@asynccontextmanager
async def serving(node: GrpcVmNode) -> AsyncGenerator[None]:
    """Serve on a free loopback port, which ``node.endpoint`` names, until the block is left."""
    server = aio.server()
    node.add_to_server(server)
    node.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace=None)
