"""The ImageService RPCs about an image's life: what is said of it, who needs it, and its end."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.handlers.image_messages import ImageMessages
from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.handlers.once import key_of
from image_library.controlplane.services.captures import CaptureWish
from image_library.controlplane.services.conversions import ConversionWish
from image_library.controlplane.services.deletions import ImageDeletion
from image_library.wire.garbage import garbage_to_wire
from image_library.wire.image_update import update_from_wire
from image_library.wire.image_usage import usage_to_wire
from image_library.wire.job import job_to_wire
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class LifecycleHandlers:
    _services: ImageServices
    _messages: ImageMessages

    async def update_image(self, request: pb.UpdateImageRequest, ctx: Context, /) -> pb.Image:
        update = update_from_wire(request)
        return self._messages.of(await self._services.edits.update(request.id, update, key=key_of(ctx)))

    async def delete_image(self, request: pb.DeleteImageRequest, ctx: Context, /) -> Empty:
        flatten = request.cascade == pb.DeleteImageRequest.Cascade.FLATTEN
        wish = ImageDeletion(name=request.id, flatten=flatten, etag=request.etag)
        await self._services.deletions.delete(wish)
        return Empty()

    async def get_image_usage(self, request: pb.GetImageUsageRequest, ctx: Context, /) -> pb.ImageUsage:
        usage = await self._services.usages.of(request.image)
        return usage_to_wire(**vars(usage))

    async def collect_garbage(
        self, request: pb.CollectGarbageRequest, ctx: Context, /
    ) -> pb.CollectGarbageResponse:
        report = await self._services.garbage.collect(dry_run=request.dry_run)
        return pb.CollectGarbageResponse(
            items=garbage_to_wire(report.items), bytes=report.bytes, errors=report.errors
        )

    async def adopt_image(self, request: pb.AdoptImageRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._services.adoptions.start(request.image, key=key_of(ctx)))

    async def capture_template(self, request: pb.CaptureTemplateRequest, ctx: Context, /) -> pb.ImportStatus:
        wish = CaptureWish(
            vm=request.vm_id,
            name=request.name,
            description=request.description,
            clean=not request.as_it_is,
            force=request.force,
            compression=request.compression,
            frozen=request.frozen,
            in_guest=request.clean_in_guest,
        )
        return job_to_wire(await self._services.captures.start(wish, key=key_of(ctx)))

    async def convert_image(self, request: pb.ConvertImageRequest, ctx: Context, /) -> pb.ImportStatus:
        wish = ConversionWish(
            image=request.image,
            format=request.format,
            compression=request.compression,
            name=request.name,
            node=request.node_id,
        )
        return job_to_wire(await self._services.conversions.start(wish, key=key_of(ctx)))
