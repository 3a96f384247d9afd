"""The catalogue on the wire, as this installation offers it."""

from __future__ import annotations

from datetime import UTC, datetime

from image_library.domain.catalog import CatalogEntry, Variant
from image_library.domain.offer import CatalogOffer, OfferState, OfferStatus
from image_library.domain.refresh import Finding
from image_library.wire.os_info import os_to_wire, requirements_to_wire
from image_library.wire.times import rfc3339
from image_library.wire.trust import trust_to_wire
from limiquantix.storage.v1.image_pb import CatalogDownloadStatus, ImageCatalogEntry, ImageCatalogVariant

STATES = {
    OfferState.NOT_DOWNLOADED: CatalogDownloadStatus.Status.NOT_DOWNLOADED,
    OfferState.DOWNLOADING: CatalogDownloadStatus.Status.DOWNLOADING,
    OfferState.READY: CatalogDownloadStatus.Status.READY,
    OfferState.ERROR: CatalogDownloadStatus.Status.ERROR,
}


def offer_to_wire(offer: CatalogOffer) -> ImageCatalogEntry:
    entry, shown = offer.entry, _shown_variant(offer.entry)
    return ImageCatalogEntry(
        id=entry.id,
        name=entry.name,
        description=entry.description,
        url=shown.url,
        checksum=shown.digest,
        checksum_type=shown.checksum_algorithm,
        os=os_to_wire(entry.os),
        size_bytes=shown.size_bytes,
        requirements=requirements_to_wire(entry.requirements),
        verified=offer.verified,
        trust=trust_to_wire(offer.best_trust),
        support_ends=entry.support_ends.isoformat() if entry.support_ends else "",
        end_of_life=offer.end_of_life,
        updated_at=_updated(offer),
        architectures=[v.architecture for v in entry.variants],
        variants=[_variant(v, offer.findings.get(v.architecture)) for v in entry.variants],
    )


def _shown_variant(entry: CatalogEntry) -> Variant:
    """The variant that old clients see, who know of one only."""
    return entry.variant_for("x86_64") or entry.variants[0]


def _updated(offer: CatalogOffer) -> str:
    if offer.asked_at:
        return rfc3339(offer.asked_at)
    written = offer.entry.written
    return rfc3339(datetime(written.year, written.month, written.day, tzinfo=UTC)) if written else ""


def _variant(variant: Variant, finding: Finding | None) -> ImageCatalogVariant:
    answer = finding.answer if finding else None
    signature = variant.signature
    published = answer.release.published if answer and answer.release else None
    return ImageCatalogVariant(
        architecture=variant.architecture,
        url=variant.url,
        checksum_url=variant.checksum_url,
        checksum_type=variant.checksum_algorithm,
        checksum=variant.digest,
        size_bytes=variant.size_bytes,
        supported_firmware=list(variant.firmware),
        newest_release=answer.name if answer else "",
        newest_published=published.isoformat() if published else "",
        asked_at=rfc3339(finding.asked_at) if finding else "",
        signature_kind=signature.kind.value if signature else "",
        signature_url=signature.url if signature else "",
        signing_keys=[key.fingerprint for key in signature.keys] if signature else [],
        key_owners=[key.owner for key in signature.keys] if signature else [],
    )


def offer_status_to_wire(status: OfferStatus) -> CatalogDownloadStatus:
    return CatalogDownloadStatus(
        catalog_id=status.catalog_id,
        status=STATES[status.state],
        image_id=status.image_id,
        storage_pool_id=status.pool_id,
        progress_percent=status.progress_percent,
        error_message=status.error_message,
        newer_release=status.newer,
    )
