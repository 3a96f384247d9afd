"""Uploads to the nodes over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.node import Node
from limiquantix.node.v1.node_daemon_pb import OpenUploadRequest, UploadChunk

# Bytes that were there before are hashed again when an upload is opened.
OPEN_SECONDS = 600
CHUNK_BYTES = 1 << 20


class GrpcNodeUploads:
    """Fulfils ``ports.node_uploads.NodeUploads``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def open(self, node: Node, job_id: str, *, size: int, algorithm: str) -> int:
        request = OpenUploadRequest(job_id=job_id, size_bytes=size, checksum_type=algorithm)
        with translated(node.agent_endpoint):
            state = await self._channels.client(node.agent_endpoint).open_upload(
                request, metadata=self._channels.metadata, timeout=OPEN_SECONDS
            )
        return state.offset

    async def write(self, node: Node, job_id: str, *, offset: int, blocks: AsyncIterator[bytes]) -> int:
        with translated(node.agent_endpoint):
            state = await self._channels.client(node.agent_endpoint).write_upload(
                _chunks(job_id, offset, blocks), metadata=self._channels.metadata
            )
        return state.offset


async def _chunks(job_id: str, offset: int, blocks: AsyncIterator[bytes]) -> AsyncIterator[UploadChunk]:
    """The blocks, gathered into chunks that are worth a message each."""
    yield UploadChunk(job_id=job_id, offset=offset)
    gathered = bytearray()
    async for block in blocks:
        gathered += block
        while len(gathered) >= CHUNK_BYTES:
            yield UploadChunk(offset=offset, data=bytes(gathered[:CHUNK_BYTES]))
            del gathered[:CHUNK_BYTES]
            offset += CHUNK_BYTES
    if gathered:
        yield UploadChunk(offset=offset, data=bytes(gathered))
