"""What of a VM's own is on its disk, over gRPC."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from image_library.node.services.capture_vm import CaptureVm
from image_library.wire.audit import audit_to_wire
from limiquantix.compute.v1.vm_pb import AuditReport
from limiquantix.node.v1.node_daemon_pb import VMIdRequest
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceService

Context = ServicerContext[Any, Any]


class CaptureCalls(NodeDaemonServiceService):
    def __init__(self, *, capture: CaptureVm) -> None:
        self._capture = capture

    async def audit_vm(self, request: VMIdRequest, context: Context) -> AuditReport:
        return audit_to_wire(await self._capture.audit(request.vm_id))
