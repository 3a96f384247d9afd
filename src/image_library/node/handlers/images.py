"""The call of NodeDaemonService that removes images."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.checksum import parse_digest
from image_library.node.services.remove_image import ImageRemoval
from limiquantix.node.v1.node_daemon_pb import RemoveImageRequest

Context = ServicerContext[Any, Any]


class ImageCalls:
    def __init__(self, *, removal: ImageRemoval) -> None:
        self._removal = removal

    async def remove_image(self, request: RemoveImageRequest, context: Context) -> Empty:
        await self._removal.remove(str(parse_digest(request.digest, algorithm="sha256")))
        return Empty()
