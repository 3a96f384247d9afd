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
from image_library.node.services.scrub_images import ImageScrub
from image_library.wire.inventory import inventory_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    ImageChunk,
    ReadImageRequest,
    RemoveImageRequest,
    VerifyImageOnNodeRequest,
    VerifyProgress,
)
from limiquantix.storage.v1.image_pb import ScanLocalImagesRequest

Context = ServicerContext[Any, Any]


class ImageCalls:
    def __init__(
        self, *, scan: ImageScan, removal: ImageRemoval, reading: ImageReading, scrub: ImageScrub
    ) -> None:
        self._scrub = scrub
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

    async def verify_image(
        self, request: VerifyImageOnNodeRequest, context: Context
    ) -> AsyncIterator[VerifyProgress]:
        digest = str(parse_digest(request.digest, algorithm="sha256"))
        async with aclosing(self._scrub.verify(digest)) as readings:
            async for said in readings:
                yield VerifyProgress(bytes_done=said.done, bytes_total=said.total, result=said.verdict.value)
