"""The download calls of NodeDaemonService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.errors import UnknownJob
from image_library.node.services.download_image import Downloads
from image_library.node.services.prove_boot import BootProofs
from image_library.node.services.receive_upload import Uploads
from image_library.wire.node_daemon import download_to_wire, order_from_wire
from limiquantix.node.v1.node_daemon_pb import (
    CancelDownloadRequest,
    DownloadImageOnNodeRequest,
    DownloadProgress,
    GetDownloadStatusRequest,
)

Context = ServicerContext[Any, Any]


class DownloadCalls:
    def __init__(self, *, downloads: Downloads, uploads: Uploads, proofs: BootProofs) -> None:
        self._downloads = downloads
        self._proofs = proofs
        self._uploads = uploads

    async def download_image(
        self, request: DownloadImageOnNodeRequest, context: Context
    ) -> AsyncIterator[DownloadProgress]:
        order = order_from_wire(request)
        if order.received:
            await self._uploads.release(order.job_id)
        await self._downloads.start(order)
        async with aclosing(self._downloads.follow(request.job_id)) as followed:
            async for download in followed:
                yield download_to_wire(download)

    async def get_download_status(
        self, request: GetDownloadStatusRequest, context: Context
    ) -> DownloadProgress:
        return download_to_wire(await self._downloads.status(request.job_id))

    async def cancel_download(self, request: CancelDownloadRequest, context: Context) -> Empty:
        # An upload is no job of the downloads before all of it is here, and a proof never is one.
        for cancel in (self._proofs.cancel, self._downloads.cancel):
            with suppress(UnknownJob):
                await cancel(request.job_id)
                return Empty()
        await self._uploads.abort(request.job_id)
        return Empty()
