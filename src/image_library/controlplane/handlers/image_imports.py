"""The ImageService RPCs that bring new images: from a URL, or registered for an upload."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_messages import ImageMessages
from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.handlers.import_request import (
    created_from,
    described,
    import_wish,
    source_url,
)
from image_library.controlplane.handlers.once import key_of
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class ImportHandlers:
    _services: ImageServices
    _messages: ImageMessages

    async def import_image(self, request: pb.ImportImageRequest, ctx: Context, /) -> pb.ImportImageResponse:
        job, image = await self._services.imports.start(import_wish(request, key_of(ctx)))
        return pb.ImportImageResponse(job_id=job.id, image=self._messages.of(image))

    async def create_image(self, request: pb.CreateImageRequest, ctx: Context, /) -> pb.Image:
        if source_url(request):
            _, image = await self._services.imports.start(created_from(request, key_of(ctx)))
        else:
            image = await self._services.imports.register(described(request), key=key_of(ctx))
        return self._messages.of(image)
