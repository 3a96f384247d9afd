"""The calls of NodeDaemonService that keep a node in order: AdoptFile, CollectGarbage, ResumeStore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.node.services.collect_garbage import GarbageCollection
from image_library.node.services.download_image import Downloads
from image_library.node.services.store_health import StoreHealth
from image_library.wire.garbage import garbage_order_from_wire, garbage_to_wire
from image_library.wire.node_daemon import adoption_from_wire, download_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    AdoptFileRequest,
    CollectGarbageOnNodeRequest,
    CollectGarbageOnNodeResponse,
    DownloadProgress,
)

Context = ServicerContext[Any, Any]


class UpkeepCalls:
    def __init__(self, *, downloads: Downloads, garbage: GarbageCollection, health: StoreHealth) -> None:
        self._adoptions = downloads
        self._health = health
        self._garbage = garbage

    async def adopt_file(
        self, request: AdoptFileRequest, context: Context
    ) -> AsyncIterator[DownloadProgress]:
        await self._adoptions.start(adoption_from_wire(request))
        async with aclosing(self._adoptions.follow(request.job_id)) as followed:
            async for download in followed:
                yield download_to_wire(download)

    async def collect_garbage(
        self, request: CollectGarbageOnNodeRequest, context: Context
    ) -> CollectGarbageOnNodeResponse:
        items = await self._garbage.collect(garbage_order_from_wire(request))
        return CollectGarbageOnNodeResponse(items=garbage_to_wire(items))

    async def resume_store(self, request: Empty, context: Context) -> Empty:
        await self._health.resume()
        return Empty()
