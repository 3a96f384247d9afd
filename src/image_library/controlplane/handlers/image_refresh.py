"""The ImageService RPC about newer builds."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.services.refresh_moves import RefreshResult
from image_library.controlplane.services.refreshes import RefreshWish
from image_library.wire.refresh import refresh_to_wire
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class RefreshHandlers:
    _services: ImageServices

    async def refresh_images(
        self, request: pb.RefreshImagesRequest, ctx: Context, /
    ) -> pb.RefreshImagesResponse:
        wish = RefreshWish(
            images=tuple(request.images), all=request.all, dry_run=request.dry_run, keep=request.keep
        )
        results = await self._services.refreshes.refresh(wish)
        return pb.RefreshImagesResponse(results=[_result(result) for result in results])


def _result(result: RefreshResult) -> pb.RefreshResult:
    return refresh_to_wire(
        result.image,
        result.report,
        message=result.message,
        job=result.job,
        error_code=result.failure.code if result.failure else "",
    )
