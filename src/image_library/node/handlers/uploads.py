"""The upload calls of NodeDaemonService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from image_library.node.services.receive_upload import Piece, Uploads
from limiquantix.node.v1.node_daemon_pb import OpenUploadRequest, UploadChunk, UploadState

Context = ServicerContext[Any, Any]


class UploadCalls:
    def __init__(self, *, uploads: Uploads) -> None:
        self._uploads = uploads

    async def open_upload(self, request: OpenUploadRequest, context: Context) -> UploadState:
        offset = await self._uploads.open(
            request.job_id, size=request.size_bytes, algorithm=request.checksum_type or "sha256"
        )
        return UploadState(job_id=request.job_id, offset=offset, size_bytes=request.size_bytes)

    async def write_upload(
        self, request_iterator: AsyncIterator[UploadChunk], context: Context
    ) -> UploadState:
        first = await anext(aiter(request_iterator), UploadChunk())
        offset = await self._uploads.write(first.job_id, _pieces(first, request_iterator))
        return UploadState(job_id=first.job_id, offset=offset)


async def _pieces(first: UploadChunk, rest: AsyncIterator[UploadChunk]) -> AsyncIterator[Piece]:
    yield Piece(offset=first.offset, data=first.data)
    async for chunk in rest:
        yield Piece(offset=chunk.offset, data=chunk.data)
