"""The bytes of the nodes' images over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.node import Node
from limiquantix.node.v1.node_daemon_pb import ReadImageRequest


class GrpcNodeImages:
    """Fulfils ``ports.node_images.NodeImages``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def read(self, node: Node, digest: str, *, offset: int, length: int) -> AsyncGenerator[bytes]:
        request = ReadImageRequest(digest=digest, offset=offset, length=length)
        with translated(node.agent_endpoint):
            call = self._channels.client(node.agent_endpoint).read_image(
                request, metadata=self._channels.metadata
            )
            try:
                async for chunk in call:
                    yield chunk.data
            finally:
                call.cancel()
