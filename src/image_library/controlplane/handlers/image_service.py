"""The ImageService RPCs: read the message, call one service, write the message. One file a topic."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_catalog import CatalogHandlers
from image_library.controlplane.handlers.image_filter import image_filter, support_ended
from image_library.controlplane.handlers.image_imports import ImportHandlers
from image_library.controlplane.handlers.image_jobs import JobHandlers
from image_library.controlplane.handlers.image_lifecycle import LifecycleHandlers
from image_library.controlplane.handlers.image_messages import ImageMessages
from image_library.controlplane.handlers.image_placement import PlacementHandlers
from image_library.controlplane.handlers.image_refresh import RefreshHandlers
from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.handlers.image_watch import WatchHandlers
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.domain.paging import Order
from image_library.wire.inventory import inventory_from_wire
from limiquantix.storage.v1 import image_connect
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class ImageHandlers(
    CatalogHandlers,
    ImportHandlers,
    JobHandlers,
    LifecycleHandlers,
    PlacementHandlers,
    RefreshHandlers,
    WatchHandlers,
    image_connect.ImageService,
):
    def __init__(self, services: ImageServices) -> None:
        self._services = services
        self._messages = ImageMessages(services.catalog.support_of)

    async def get_image(self, request: pb.GetImageRequest, ctx: Context, /) -> pb.Image:
        return self._messages.of(await self._services.images.get(request.id))

    async def list_images(self, request: pb.ListImagesRequest, ctx: Context, /) -> pb.ListImagesResponse:
        page = await self._services.images.list(
            image_filter(request),
            self._services.tokens.page_request(request, Order.parse(request.order_by)),
            support_ended=support_ended(request),
        )
        return pb.ListImagesResponse(
            images=[self._messages.of(image) for image in page.items],
            next_page_token=self._services.tokens.token(page.next, request),
            total_count=page.total,
        )

    async def download_image(
        self, request: pb.DownloadImageRequest, ctx: Context, /
    ) -> pb.DownloadImageResponse:
        wish = DownloadWish(
            catalog_id=request.catalog_id,
            node=request.node_id,
            pool=request.storage_pool_id,
            name=request.name,
            architecture=request.architecture,
        )
        job, image = await self._services.downloads.start(wish)
        return pb.DownloadImageResponse(job_id=job.id, image=self._messages.of(image))

    async def scan_local_images(
        self, request: pb.ScanLocalImagesRequest, ctx: Context, /
    ) -> pb.ScanLocalImagesResponse:
        reported = request.inventory_complete or request.images
        if reported:
            result = await self._services.inventory.reconcile(inventory_from_wire(request))
        else:
            result = await self._services.inventory.scan(request.node_id)
        return pb.ScanLocalImagesResponse(
            registered_count=result.registered, existing_count=result.existing, errors=result.errors
        )
