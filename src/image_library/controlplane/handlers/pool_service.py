"""The StoragePoolService RPCs. Pools come with their nodes: nobody makes or removes one."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.services.pools import Pools
from image_library.domain.errors import NotImplementedYet
from image_library.domain.paging import Page
from image_library.wire.paging import PageTokens
from image_library.wire.pool import means_stores, pool_to_wire
from limiquantix.storage.v1 import pool_connect
from limiquantix.storage.v1 import pool_pb as pb

Context = RequestContext[Any, Any]
_REMEDY = "Start a node with its own --data-dir: its store is a pool."


class PoolHandlers(pool_connect.StoragePoolService):
    def __init__(self, pools: Pools, tokens: PageTokens) -> None:
        self._pools = pools
        self._tokens = tokens

    async def get_pool(self, request: pb.GetPoolRequest, ctx: Context, /) -> pb.StoragePool:
        return pool_to_wire(await self._pools.get(request.id))

    async def list_pools(self, request: pb.ListPoolsRequest, ctx: Context, /) -> pb.ListPoolsResponse:
        asked = self._tokens.page_request(request)
        page = Page(items=(), total=0)
        if means_stores(request.backend_type):
            page = await self._pools.list(NodeFilter(labels=dict(request.labels)), asked)
        token = self._tokens.token(page.next, request)
        pools = [pool_to_wire(pool) for pool in page.items]
        return pb.ListPoolsResponse(pools=pools, next_page_token=token, total_count=page.total)

    async def create_pool(self, request: pb.CreatePoolRequest, ctx: Context, /) -> pb.StoragePool:
        raise NotImplementedYet("Pools are the stores of nodes; others cannot be made yet.", remedy=_REMEDY)

    async def delete_pool(self, request: pb.DeletePoolRequest, ctx: Context, /) -> Empty:
        raise NotImplementedYet("Pools are the stores of nodes and stay with them.", remedy=_REMEDY)
