"""The bytes of the nodes' images over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.node import Node
from image_library.domain.placing import Check
from limiquantix.node.v1.node_daemon_pb import ReadImageRequest, VerifyImageOnNodeRequest


class GrpcNodeImages:
    """Fulfils ``ports.node_images.NodeImages`` and ``NodeChecks``."""

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

    async def verify(self, node: Node, digest: str) -> AsyncGenerator[Check]:
        request = VerifyImageOnNodeRequest(digest=digest)
        with translated(node.agent_endpoint):
            call = self._channels.client(node.agent_endpoint).verify_image(
                request, metadata=self._channels.metadata
            )
            try:
                async for said in call:
                    yield Check(
                        node_id=node.id, done=said.bytes_done, total=said.bytes_total, result=said.result
                    )
            finally:
                call.cancel()
