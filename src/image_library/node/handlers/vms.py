"""The VM calls of NodeDaemonService. Errors are mapped by the server's interceptor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.node.services.capture_vm import CaptureVm
from image_library.node.services.flatten_vm import FlattenVm
from image_library.node.services.vm_streams import VmStreams
from image_library.node.services.vms import STOP_SECONDS, Vms
from image_library.wire.audit import audit_to_wire
from image_library.wire.node_vm import machine_order_from_wire, vm_report_to_wire
from limiquantix.compute.v1.vm_pb import AuditReport
from limiquantix.node.v1.node_daemon_pb import (
    ConsoleChunk,
    CreateVMOnNodeRequest,
    CreateVMOnNodeResponse,
    ListVMsOnNodeResponse,
    ReadConsoleOnNodeRequest,
    StopVMRequest,
    VMIdRequest,
    VMStatusResponse,
)
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceService

Context = ServicerContext[Any, Any]


class VmCalls(NodeDaemonServiceService):
    """``architecture``: the node's own, as ``platform.machine()`` names it."""

    def __init__(
        self, *, vms: Vms, streams: VmStreams, flattening: FlattenVm, capture: CaptureVm, architecture: str
    ) -> None:
        self._capture = capture
        self._vms = vms
        self._flattening = flattening
        self._streams = streams
        self._architecture = architecture

    async def create_vm(self, request: CreateVMOnNodeRequest, context: Context) -> CreateVMOnNodeResponse:
        order = machine_order_from_wire(request, architecture=self._architecture)
        created = await self._vms.create(order)
        message = "" if created else "It is there already."
        return CreateVMOnNodeResponse(vm_id=order.vm_id, created=created, message=message)

    async def start_vm(self, request: VMIdRequest, context: Context) -> Empty:
        await self._vms.start(request.vm_id)
        return Empty()

    async def stop_vm(self, request: StopVMRequest, context: Context) -> Empty:
        await self._vms.stop(request.vm_id, seconds=request.timeout_seconds or STOP_SECONDS)
        return Empty()

    async def force_stop_vm(self, request: VMIdRequest, context: Context) -> Empty:
        await self._vms.force_stop(request.vm_id)
        return Empty()

    async def reboot_vm(self, request: VMIdRequest, context: Context) -> Empty:
        await self._vms.reboot(request.vm_id)
        return Empty()

    async def delete_vm(self, request: VMIdRequest, context: Context) -> Empty:
        await self._vms.delete(request.vm_id)
        return Empty()

    async def flatten_vm(self, request: VMIdRequest, context: Context) -> Empty:
        await self._flattening.flatten(request.vm_id)
        return Empty()

    async def audit_vm(self, request: VMIdRequest, context: Context) -> AuditReport:
        return audit_to_wire(await self._capture.audit(request.vm_id))

    async def get_vm_status(self, request: VMIdRequest, context: Context) -> VMStatusResponse:
        return vm_report_to_wire(self._vms.status(request.vm_id))

    async def list_v_ms(self, request: Empty, context: Context) -> ListVMsOnNodeResponse:
        return ListVMsOnNodeResponse(vms=[vm_report_to_wire(report) for report in self._vms.reports()])

    async def watch_vm(self, request: VMIdRequest, context: Context) -> AsyncIterator[VMStatusResponse]:
        async with aclosing(self._streams.watch(request.vm_id)) as reports:
            async for report in reports:
                yield vm_report_to_wire(report)

    async def read_console(
        self, request: ReadConsoleOnNodeRequest, context: Context
    ) -> AsyncIterator[ConsoleChunk]:
        pieces = self._streams.console(request.vm_id, offset=request.offset, follow=request.follow)
        async with aclosing(pieces):
            async for offset, data in pieces:
                yield ConsoleChunk(offset=offset, data=data)
