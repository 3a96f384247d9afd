"""What the node says of itself: HealthCheck, GetNodeInfo."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.node import Registration
from image_library.node.ports.storage import ImageStore
from limiquantix.node.v1.node_daemon_pb import GetNodeInfoResponse, HealthCheckResponse

Context = ServicerContext[Any, Any]


class InfoCalls:
    def __init__(self, *, registration: Registration, store: ImageStore) -> None:
        self._registration = registration
        self._store = store

    async def health_check(self, request: Empty, context: Context) -> HealthCheckResponse:
        return HealthCheckResponse(healthy=True, version=self._registration.version)

    async def get_node_info(self, request: Empty, context: Context) -> GetNodeInfoResponse:
        used, total = await self._store.usage()
        me = self._registration
        facts = GetNodeInfoResponse(node_id=me.node_id, hostname=me.hostname, version=me.version)
        facts.architecture, facts.accelerator, facts.store_id = me.architecture, me.accelerator, me.store_id
        facts.disk_used_bytes, facts.disk_total_bytes = used, total
        return facts
