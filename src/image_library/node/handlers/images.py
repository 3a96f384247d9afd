"""The calls of NodeDaemonService about images that are here: ScanImages, RemoveImage, ReadImage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.checksum import parse_digest
from image_library.node.services.read_image import ImageReading
from image_library.node.services.remove_image import ImageRemoval
from image_library.node.services.scan_images import ImageScan
from image_library.wire.inventory import inventory_to_wire
from limiquantix.node.v1.node_daemon_pb import ImageChunk, ReadImageRequest, RemoveImageRequest
from limiquantix.storage.v1.image_pb import ScanLocalImagesRequest

Context = ServicerContext[Any, Any]


class ImageCalls:
    def __init__(self, *, scan: ImageScan, removal: ImageRemoval, reading: ImageReading) -> None:
        self._reading = reading
        self._scan = scan
        self._removal = removal

    async def scan_images(self, request: Empty, context: Context) -> ScanLocalImagesRequest:
        return inventory_to_wire(await self._scan.inventory())

    async def remove_image(self, request: RemoveImageRequest, context: Context) -> Empty:
        await self._removal.remove(str(parse_digest(request.digest, algorithm="sha256")))
        return Empty()

    async def read_image(self, request: ReadImageRequest, context: Context) -> AsyncIterator[ImageChunk]:
        digest = str(parse_digest(request.digest, algorithm="sha256"))
        blocks = self._reading.read(digest, offset=request.offset, length=request.length)
        async with aclosing(blocks):
            async for block in blocks:
                yield ImageChunk(data=block)
