"""Asking publishers through nodes over gRPC: only nodes reach the internet."""

from __future__ import annotations

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.node import Node
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.wire.publisher import answer_from_wire, question_to_wire
from limiquantix.node.v1.node_daemon_pb import ReadSmallFileRequest

# A node gives up after 45 seconds for the checksum file and as many for the index.
ASK_SECONDS = 100


# It gives up after 45 for a small file.
READ_SECONDS = 60


class GrpcSmallFiles:
    """Fulfils ``ports.catalog_updates.SmallFilesOfNodes``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def read(self, node: Node, url: str, *, limit: int) -> bytes:
        with translated(node.agent_endpoint):
            said = await self._channels.client(node.agent_endpoint).read_small_file(
                ReadSmallFileRequest(url=url, limit_bytes=limit),
                metadata=self._channels.metadata,
                timeout=READ_SECONDS,
            )
        return said.content


class GrpcPublishers:
    """Fulfils ``ports.publishers.Publishers``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def ask(self, node: Node, question: PublisherQuestion) -> PublisherAnswer:
        with translated(node.agent_endpoint):
            said = await self._channels.client(node.agent_endpoint).ask_publisher(
                question_to_wire(question), metadata=self._channels.metadata, timeout=ASK_SECONDS
            )
        return answer_from_wire(said, question)
