"""The catalogue as this installation offers it: what is verified here, and how far downloads have come."""

from __future__ import annotations

from collections.abc import Sequence

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.domain.catalog import Catalog, CatalogEntry, Support
from image_library.domain.errors import UnknownImage, printable
from image_library.domain.image import Image, ImagePhase
from image_library.domain.offer import CatalogOffer, OfferState, OfferStatus
from image_library.domain.os_info import OsFamily
from image_library.domain.refresh import Finding
from image_library.domain.trust import TrustLevel

_NOT_KNOWN = Support()
_ON_THE_WAY = frozenset({ImagePhase.PENDING, ImagePhase.DOWNLOADING, ImagePhase.CONVERTING})


class CatalogService:
    def __init__(self, *, catalog: Catalog, database: Database, clock: Clock) -> None:
        self._catalog = catalog
        self._database = database
        self._clock = clock

    @property
    def ids(self) -> tuple[str, ...]:
        return self._catalog.ids

    @property
    def ended_ids(self) -> frozenset[str]:
        """Of the entries whose publishers' support has ended by today."""
        today = self._clock.now().date()
        return frozenset(entry.id for entry in self._catalog.entries if entry.ended_support(today))

    def find(self, catalog_id: str) -> CatalogEntry | None:
        return self._catalog.find(catalog_id)

    def check_name(self, name: str, *, catalog_id: str = "") -> None:
        """Raises as ``Catalog.check_name`` does."""
        self._catalog.check_name(name, catalog_id=catalog_id)

    def entry(self, catalog_id: str) -> CatalogEntry:
        """The entry with this id.

        Raises:
            UnknownImage: there is none; the closest ids are named.
        """
        found = self._catalog.find(catalog_id)
        if found is None:
            raise UnknownImage.named(catalog_id, self._catalog.ids)
        return found

    async def offers(self, os_family: OsFamily | None = None) -> tuple[CatalogOffer, ...]:
        """Every entry, or those of one family, in the catalogue's order."""
        versions = await self._versions()
        findings = await self._findings()
        today = self._clock.now().date()
        return tuple(
            CatalogOffer(
                entry=entry,
                verified=_verified(entry, versions.get(entry.id, [])),
                end_of_life=entry.ended_support(today),
                findings=findings.get(entry.id, {}),
            )
            for entry in self._catalog.entries
            if os_family in (None, entry.os.family)
        )

    async def statuses(self, catalog_ids: Sequence[str] = ()) -> tuple[OfferStatus, ...]:
        """How far the download of each named entry (none named: of every entry) has come.

        An id that the catalogue does not have says so: whoever asks may have another catalogue.
        """
        versions = await self._versions()
        wanted = dict.fromkeys(catalog_ids or self._catalog.ids)
        return tuple(self._status(catalog_id, versions.get(catalog_id, [])) for catalog_id in wanted)

    def _status(self, catalog_id: str, versions: list[Image]) -> OfferStatus:
        if versions or self._catalog.find(catalog_id):
            return _status(catalog_id, versions)
        said = f"The catalog has no '{printable(catalog_id)}'."
        return OfferStatus(catalog_id=catalog_id, state=OfferState.NOT_DOWNLOADED, error_message=said)

    def support_of(self, image: Image) -> Support:
        """How long its publisher supports it, as far as the catalogue knows."""
        entry = self._catalog.find(image.catalog_id) if image.catalog_id else None
        return entry.support_on(self._clock.now().date()) if entry else _NOT_KNOWN

    async def _findings(self) -> dict[str, dict[str, Finding]]:
        """By entry and architecture."""
        async with self._database.read() as records:
            said = await records.refreshes.findings()
        found: dict[str, dict[str, Finding]] = {}
        for finding in said:
            found.setdefault(finding.catalog_id, {})[finding.architecture] = finding
        return found

    async def _versions(self) -> dict[str, list[Image]]:
        """The images of each entry, newest first."""
        async with self._database.read() as records:
            images = await records.images.of_catalog()
        found: dict[str, list[Image]] = {}
        for image in images:
            found.setdefault(image.catalog_id, []).append(image)
        return found


def _verified(entry: CatalogEntry, versions: list[Image]) -> bool:
    """An image of it is present and its bytes were verified, or the entry itself proves them."""
    pinned = all(v.digest for v in entry.variants)
    return pinned or any(
        i.phase is ImagePhase.READY and i.ready_placements and i.trust >= TrustLevel.CHECKSUM
        for i in versions
    )


def _status(catalog_id: str, versions: list[Image]) -> OfferStatus:
    """A ready version counts most, then one on its way, then a failure."""
    for image in sorted(versions, key=lambda image: not image.current):
        if image.phase is ImagePhase.READY:
            return OfferStatus(
                catalog_id=catalog_id,
                state=OfferState.READY,
                image_id=image.id,
                pool_id=_pool(image),
                progress_percent=100,
                newer=image.newer,
            )
    for image in versions:
        if image.phase in _ON_THE_WAY:
            return OfferStatus(
                catalog_id=catalog_id,
                state=OfferState.DOWNLOADING,
                image_id=image.id,
                pool_id=_pool(image),
                progress_percent=image.progress_percent,
            )
    for image in versions:
        if image.phase is ImagePhase.ERROR and image.failure:
            return OfferStatus(
                catalog_id=catalog_id,
                state=OfferState.ERROR,
                image_id=image.id,
                error_message=image.failure.message,
            )
    return OfferStatus(catalog_id=catalog_id, state=OfferState.NOT_DOWNLOADED)


def _pool(image: Image) -> str:
    """Of its first whole copy, else of the one that is on its way."""
    copies = (*image.ready_placements, *image.placements)
    return copies[0].pool_id if copies else ""
