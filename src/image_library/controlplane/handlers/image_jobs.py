"""The ImageService RPCs about jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_services import ImageServices
from image_library.wire.job import job_to_wire
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class JobHandlers:
    _services: ImageServices

    async def get_import_status(self, request: pb.GetImportStatusRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._services.downloads.get(request.job_id))

    async def watch_import(
        self, request: pb.GetImportStatusRequest, ctx: Context, /
    ) -> AsyncIterator[pb.ImportStatus]:
        async with aclosing(self._services.downloads.watch(request.job_id)) as states:
            async for job in states:
                yield job_to_wire(job)

    async def cancel_import(self, request: pb.CancelImportRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._services.downloads.cancel(request.job_id))

    async def list_jobs(self, request: pb.ListJobsRequest, ctx: Context, /) -> pb.ListJobsResponse:
        asked = self._services.tokens.page_request(request)
        page = await self._services.downloads.list(asked, active_only=request.active_only)
        return pb.ListJobsResponse(
            jobs=[job_to_wire(job) for job in page.items],
            next_page_token=self._services.tokens.token(page.next, request),
            total_count=page.total,
        )
