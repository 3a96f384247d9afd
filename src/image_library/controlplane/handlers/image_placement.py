"""The ImageService RPCs about where copies are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.services.eviction import EvictionWish
from image_library.controlplane.services.placing import PlacementWish
from image_library.domain.errors import InvalidRequest
from image_library.domain.placing import AT_A_TIME, MOST_AT_A_TIME
from image_library.wire.image import image_to_wire
from image_library.wire.placing import check_to_wire, result_to_wire
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class PlacementHandlers:
    _services: ImageServices

    async def place_image(self, request: pb.PlaceImageRequest, ctx: Context, /) -> pb.PlaceImageResponse:
        wish = PlacementWish(
            image=request.image,
            nodes=request.node_ids,
            pools=request.storage_pool_ids,
            all_nodes=request.all_nodes,
            at_a_time=_at_a_time(request.concurrency),
        )
        results = await self._services.placements.place(wish)
        return pb.PlaceImageResponse(results=[result_to_wire(result) for result in results])

    async def evict_image(self, request: pb.EvictImageRequest, ctx: Context, /) -> pb.EvictImageResponse:
        wish = EvictionWish(
            image=request.image,
            nodes=request.node_ids,
            pools=request.storage_pool_ids,
            last_copy_too=request.last_copy_too,
        )
        return pb.EvictImageResponse(image=image_to_wire(await self._services.evictions.evict(wish)))

    async def verify_image(
        self, request: pb.VerifyImageRequest, ctx: Context, /
    ) -> AsyncIterator[pb.VerifyImageProgress]:
        async with aclosing(self._services.checks.verify(request.image, request.node_ids)) as said:
            async for check in said:
                yield check_to_wire(check)


def _at_a_time(asked: int) -> int:
    if asked > MOST_AT_A_TIME:
        raise InvalidRequest(f"At most {MOST_AT_A_TIME} nodes fetch at a time.", field="concurrency")
    return asked or AT_A_TIME
