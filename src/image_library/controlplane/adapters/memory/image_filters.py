"""A filter for images, judged in memory."""

from __future__ import annotations

from image_library.controlplane.ports.images import ImageFilter
from image_library.domain.image import Image


def matches(image: Image, wanted: ImageFilter, *, in_use: bool) -> bool:
    return (
        _equal(image, wanted)
        and _one_of(image, wanted)
        and _text(image, wanted)
        and _kept(image, wanted)
        and _related(image, wanted, in_use=in_use)
    )


def _equal(image: Image, wanted: ImageFilter) -> bool:
    pairs = (
        (wanted.project_id, image.project_id),
        (wanted.name.lower(), image.name.lower()),
        (wanted.distribution.lower(), image.os.distribution.lower()),
        (wanted.os_version.lower(), image.os.version.lower()),
        (wanted.architecture.lower(), image.os.architecture.lower()),
        (wanted.catalog_id, image.catalog_id),
        (wanted.digest, image.digest),
    )
    return (
        all(asked in ("", value) for asked, value in pairs)
        and wanted.protected in (None, image.protected)
        and wanted.deprecated in (None, image.deprecation is not None)
        and wanted.templates in (None, image.captured is not None)
    )


def _one_of(image: Image, wanted: ImageFilter) -> bool:
    listed = image.catalog_id in wanted.catalog_ids
    return (
        (not wanted.os_families or image.os.family in wanted.os_families)
        and (not wanted.formats or image.format in wanted.formats)
        and (not wanted.phases or image.phase in wanted.phases)
        and (not wanted.visibilities or image.visibility in wanted.visibilities)
        and (not wanted.trust_levels or image.trust in wanted.trust_levels)
        and wanted.of_catalog_ids in (None, listed)
    )


def _text(image: Image, wanted: ImageFilter) -> bool:
    name = image.name.lower()
    words = " ".join((image.name, image.os.distribution, image.description)).lower()
    return (
        name.startswith(wanted.name_prefix.lower())
        and wanted.name_contains.lower() in name
        and all(word in words for word in wanted.search.lower().split())
        and (wanted.created_after is None or image.created_at > wanted.created_after)
        and (wanted.created_before is None or image.created_at < wanted.created_before)
    )


def _related(image: Image, wanted: ImageFilter, *, in_use: bool) -> bool:
    return (
        all(image.labels.get(key) == value for key, value in wanted.labels.items())
        and (not wanted.node_id or image.placement_on(wanted.node_id) is not None)
        and (not wanted.pool_id or any(p.pool_id == wanted.pool_id for p in image.placements))
        and wanted.in_use in (None, in_use)
    )


def _kept(image: Image, wanted: ImageFilter) -> bool:
    project = wanted.usable_by_project
    usable = not project or image.usable_by(project)
    return (wanted.all_versions or image.current) and (wanted.hidden_too or not image.hidden) and usable
