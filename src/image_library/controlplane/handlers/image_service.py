"""The ImageService RPCs: read the message, call one service, write the message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.downloads import Downloads
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.inventory import InventoryService
from image_library.wire.catalog import offer_status_to_wire, offer_to_wire
from image_library.wire.image import format_from_wire, image_to_wire, visibility_from_wire
from image_library.wire.inventory import inventory_from_wire
from image_library.wire.job import job_to_wire
from image_library.wire.os_info import family_from_wire
from image_library.wire.paging import PageTokens
from limiquantix.storage.v1 import image_connect
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class ImageHandlers(image_connect.ImageService):
    def __init__(
        self,
        *,
        catalog: CatalogService,
        downloads: Downloads,
        images: ImageService,
        inventory: InventoryService,
        tokens: PageTokens,
    ) -> None:
        self._catalog = catalog
        self._downloads = downloads
        self._images = images
        self._inventory = inventory
        self._tokens = tokens

    async def get_image(self, request: pb.GetImageRequest, ctx: Context, /) -> pb.Image:
        return image_to_wire(await self._images.get(request.id))

    async def list_images(self, request: pb.ListImagesRequest, ctx: Context, /) -> pb.ListImagesResponse:
        page = await self._images.list(_filter(request), self._tokens.page_request(request))
        return pb.ListImagesResponse(
            images=[image_to_wire(image) for image in page.items],
            next_page_token=self._tokens.token(page.next, request),
            total_count=page.total,
        )

    async def delete_image(self, request: pb.DeleteImageRequest, ctx: Context, /) -> Empty:
        await self._images.delete(request.id)
        return Empty()

    async def get_image_catalog(
        self, request: pb.GetImageCatalogRequest, ctx: Context, /
    ) -> pb.GetImageCatalogResponse:
        offers = await self._catalog.offers(family_from_wire(request.os_family))
        return pb.GetImageCatalogResponse(images=[offer_to_wire(offer) for offer in offers])

    async def get_catalog_download_status(
        self, request: pb.GetCatalogDownloadStatusRequest, ctx: Context, /
    ) -> pb.GetCatalogDownloadStatusResponse:
        statuses = await self._catalog.statuses(request.catalog_ids)
        return pb.GetCatalogDownloadStatusResponse(statuses=[offer_status_to_wire(s) for s in statuses])

    async def download_image(
        self, request: pb.DownloadImageRequest, ctx: Context, /
    ) -> pb.DownloadImageResponse:
        wish = DownloadWish(
            catalog_id=request.catalog_id,
            node=request.node_id,
            name=request.name,
            architecture=request.architecture,
        )
        job, image = await self._downloads.start(wish)
        return pb.DownloadImageResponse(job_id=job.id, image=image_to_wire(image))

    async def get_import_status(self, request: pb.GetImportStatusRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._downloads.get(request.job_id))

    async def watch_import(
        self, request: pb.GetImportStatusRequest, ctx: Context, /
    ) -> AsyncIterator[pb.ImportStatus]:
        async with aclosing(self._downloads.watch(request.job_id)) as states:
            async for job in states:
                yield job_to_wire(job)

    async def cancel_import(self, request: pb.CancelImportRequest, ctx: Context, /) -> pb.ImportStatus:
        return job_to_wire(await self._downloads.cancel(request.job_id))

    async def list_jobs(self, request: pb.ListJobsRequest, ctx: Context, /) -> pb.ListJobsResponse:
        asked = self._tokens.page_request(request)
        page = await self._downloads.list(asked, active_only=request.active_only)
        return pb.ListJobsResponse(
            jobs=[job_to_wire(job) for job in page.items],
            next_page_token=self._tokens.token(page.next, request),
            total_count=page.total,
        )

    async def scan_local_images(
        self, request: pb.ScanLocalImagesRequest, ctx: Context, /
    ) -> pb.ScanLocalImagesResponse:
        reported = request.inventory_complete or request.images
        if reported:
            result = await self._inventory.reconcile(inventory_from_wire(request))
        else:
            result = await self._inventory.scan(request.node_id)
        return pb.ScanLocalImagesResponse(
            registered_count=result.registered, existing_count=result.existing, errors=result.errors
        )


def _filter(request: pb.ListImagesRequest) -> ImageFilter:
    return ImageFilter(
        project_id=request.project_id,
        labels=dict(request.labels),
        os_family=family_from_wire(request.os_family),
        visibility=visibility_from_wire(request.visibility),
        format=format_from_wire(request.format),
    )
