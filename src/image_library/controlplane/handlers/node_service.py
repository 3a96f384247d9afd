"""The NodeService RPCs: read the message, call one service, write the message."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.services.nodes import NodeService
from image_library.domain.paging import Page
from image_library.wire.heartbeat import heartbeat_from_wire
from image_library.wire.node import node_to_wire, phases_from_wire, registration_from_wire
from image_library.wire.paging import PageTokens
from limiquantix.compute.v1 import node_connect
from limiquantix.compute.v1 import node_pb as pb

Context = RequestContext[Any, Any]


class NodeHandlers(node_connect.NodeService):
    def __init__(self, *, nodes: NodeService, tokens: PageTokens) -> None:
        self._nodes = nodes
        self._tokens = tokens

    async def register_node(self, request: pb.RegisterNodeRequest, ctx: Context, /) -> pb.Node:
        return node_to_wire(await self._nodes.register(registration_from_wire(request)))

    async def get_node(self, request: pb.GetNodeRequest, ctx: Context, /) -> pb.Node:
        node = await self._nodes.get(request.id)
        return node_to_wire(node, (await self._nodes.image_counts([node]))[node.id])

    async def resume_node(self, request: pb.ResumeNodeRequest, ctx: Context, /) -> pb.Node:
        node = await self._nodes.resume(request.id)
        return node_to_wire(node, (await self._nodes.image_counts([node]))[node.id])

    async def list_nodes(self, request: pb.ListNodesRequest, ctx: Context, /) -> pb.ListNodesResponse:
        asked = self._tokens.page_request(request)
        phases = phases_from_wire(list(request.phases))
        if phases is None:
            page = Page(items=(), total=0)
        else:
            page = await self._nodes.list(NodeFilter(labels=dict(request.labels), phases=phases), asked)
        token = self._tokens.token(page.next, request)
        counts = await self._nodes.image_counts(page.items)
        nodes = [node_to_wire(node, counts[node.id]) for node in page.items]
        return pb.ListNodesResponse(nodes=nodes, next_page_token=token, total_count=page.total)

    async def update_heartbeat(
        self, request: pb.UpdateHeartbeatRequest, ctx: Context, /
    ) -> pb.UpdateHeartbeatResponse:
        answer = await self._nodes.beat(heartbeat_from_wire(request))
        return pb.UpdateHeartbeatResponse(
            acknowledged=answer is not None,
            heartbeat_interval_secs=self._nodes.heartbeat_seconds,
            inventory_wanted=answer is not None and answer.inventory_wanted,
        )
