"""ImageService about the catalogue: what it offers, how far downloads are, and a newer one."""

from __future__ import annotations

from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.services.catalog_updates import CatalogState
from image_library.wire.catalog import offer_status_to_wire, offer_to_wire
from image_library.wire.os_info import family_from_wire
from image_library.wire.times import rfc3339
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]


class CatalogHandlers:
    _services: ImageServices

    async def get_image_catalog(
        self, request: pb.GetImageCatalogRequest, ctx: Context, /
    ) -> pb.GetImageCatalogResponse:
        offers = await self._services.catalog.offers(family_from_wire(request.os_family))
        state = self._services.catalog_updates.state()
        return pb.GetImageCatalogResponse(
            images=[offer_to_wire(offer) for offer in offers],
            catalog=_state(state) if state.configured else None,
        )

    async def get_catalog_download_status(
        self, request: pb.GetCatalogDownloadStatusRequest, ctx: Context, /
    ) -> pb.GetCatalogDownloadStatusResponse:
        statuses = await self._services.catalog.statuses(request.catalog_ids)
        return pb.GetCatalogDownloadStatusResponse(statuses=[offer_status_to_wire(s) for s in statuses])

    async def refresh_catalog(self, request: pb.RefreshCatalogRequest, ctx: Context, /) -> pb.CatalogState:
        return _state(await self._services.catalog_updates.refresh(request.content, request.signatures))


def _state(state: CatalogState) -> pb.CatalogState:
    terms, failure = state.terms, state.failure
    return pb.CatalogState(
        version=terms.version if terms else 0,
        written=terms.written.isoformat() if terms else "",
        expires=terms.expires.isoformat() if terms else "",
        age=state.age.value,
        configured=state.configured,
        asked_at=rfc3339(state.asked_at) if state.asked_at else "",
        error_code=failure.code if failure else "",
        error_message=failure.message if failure else "",
        warning=state.warning,
    )
