"""What a ListImages request asks for. Zero in the contract's own filters cannot be told from "not set"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from image_library.controlplane.ports.images import ImageFilter
from image_library.wire.image import (
    exact_format,
    exact_phase,
    exact_visibility,
    format_from_wire,
    visibility_from_wire,
)
from image_library.wire.os_info import exact_family, family_from_wire
from image_library.wire.times import time_from_wire
from image_library.wire.trust import exact_trust
from limiquantix.storage.v1 import image_pb as pb

N = TypeVar("N")
V = TypeVar("V")


# Fields that the request and the filter call alike and that need no reading.
_PLAIN = (
    *("project_id", "name", "name_prefix", "name_contains", "search", "distribution", "os_version"),
    *("architecture", "node_id", "catalog_id", "usable_by_project", "all_versions", "hidden_too"),
)
_YES_OR_NO = ("in_use", "protected", "deprecated", "templates")


def image_filter(request: pb.ListImagesRequest) -> ImageFilter:
    """Raises InvalidRequest: a number is none of the contract's."""
    return ImageFilter(**_plain(request), **_sets(request))


def support_ended(request: pb.ListImagesRequest) -> bool | None:
    """A filter that needs the catalogue."""
    return request.support_ended if request.has_field("support_ended") else None


def _plain(request: pb.ListImagesRequest) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in _PLAIN}
    values |= {name: getattr(request, name) for name in _YES_OR_NO if request.has_field(name)}
    return values | {
        "labels": dict(request.labels),
        "pool_id": request.storage_pool_id,
        "digest": request.digest.lower(),
        "created_after": time_from_wire(request.created_after),
        "created_before": time_from_wire(request.created_before),
    }


def _sets(request: pb.ListImagesRequest) -> dict[str, Any]:
    old_visibility = visibility_from_wire(request.visibility)
    return {
        "os_families": _both(family_from_wire(request.os_family), request.os_families, exact_family),
        "formats": _both(format_from_wire(request.format), request.formats, exact_format),
        "visibilities": _both(old_visibility, request.visibilities, exact_visibility),
        "phases": _both(None, request.phases, exact_phase),
        "trust_levels": _both(None, request.trust_levels, exact_trust),
    }


def _both(old: V | None, ours: Sequence[N], read: Callable[[N], V]) -> frozenset[V]:
    """The old filter's one value, if it has one, and the values of ours."""
    return frozenset(() if old is None else (old,)) | frozenset(read(number) for number in ours)
