"""The ImageService RPCs about jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.handlers.once import key_of
from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.services.boot_proofs import ProofWish
from image_library.domain.secret import Secret
from image_library.wire.job import explanation_to_wire, job_to_wire, kinds_from_wire
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

    async def retry_import(self, request: pb.RetryImportRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._services.downloads.retry(request.job_id))

    async def explain_job(self, request: pb.ExplainJobRequest, ctx: Context, /) -> pb.JobExplanation:
        return explanation_to_wire(await self._services.downloads.explain(request.job_id))

    async def prove_image(self, request: pb.ProveImageRequest, ctx: Context, /) -> pb.ImportStatus:
        wish = ProofWish(
            image=request.image,
            profile=request.profile,
            parameters=dict(request.parameters),
            secret_parameters={name: Secret(text) for name, text in request.secret_parameters.items()},
            timeout_seconds=request.timeout_seconds,
            node=request.node_id,
        )
        return job_to_wire(await self._services.proofs.start(wish, key=key_of(ctx)))

    async def list_jobs(self, request: pb.ListJobsRequest, ctx: Context, /) -> pb.ListJobsResponse:
        asked = self._services.tokens.page_request(request)
        page = await self._services.downloads.list(_filter(request), asked)
        return pb.ListJobsResponse(
            jobs=[job_to_wire(job) for job in page.items],
            next_page_token=self._services.tokens.token(page.next, request),
            total_count=page.total,
        )


def _filter(request: pb.ListJobsRequest) -> JobFilter:
    """Raises InvalidRequest: a kind is none of the contract's."""
    return JobFilter(
        active_only=request.active_only,
        image_id=request.image_id,
        node_id=request.node_id,
        kinds=kinds_from_wire(request.kinds),
    )
