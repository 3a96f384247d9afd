"""A filter for images as conditions on their rows."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_, true

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.vms import of_its_own
from image_library.controlplane.ports.images import ImageFilter
from image_library.domain.image import Visibility

_IMAGES = tables.images
_PLACEMENTS = tables.placements
# In an image's document; there in templates only.
_CAPTURED = ("converted_from", "captured", "vm_id")


def placed(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """With a copy of which all this is true."""
    return exists().where(_PLACEMENTS.c.image_id == _IMAGES.c.id, *conditions)


def conditions_of(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    return [*_equal(wanted), *_one_of(wanted), *_text(wanted), *_related(wanted), *_kept(wanted)]


def _equal(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    pairs: dict[Any, object] = {
        _IMAGES.c.project_id: wanted.project_id,
        _IMAGES.c.name_key: wanted.name.lower(),
        _IMAGES.c.distribution: wanted.distribution.lower(),
        _IMAGES.c.os_version: wanted.os_version.lower(),
        _IMAGES.c.architecture: wanted.architecture.lower(),
        _IMAGES.c.catalog_id: wanted.catalog_id,
        _IMAGES.c.digest: wanted.digest,
    }
    flags: dict[Any, bool | None] = {
        _IMAGES.c.protected: wanted.protected,
        _IMAGES.c.deprecated: wanted.deprecated,
    }
    return [
        *(column == value for column, value in pairs.items() if value),
        *(column.is_(value) for column, value in flags.items() if value is not None),
    ]


def _one_of(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    sets: dict[Any, Iterable[Enum]] = {
        _IMAGES.c.os_family: wanted.os_families,
        _IMAGES.c.format: wanted.formats,
        _IMAGES.c.phase: wanted.phases,
        _IMAGES.c.visibility: wanted.visibilities,
        _IMAGES.c.trust: wanted.trust_levels,
    }
    found = [column.in_(sorted(v.value for v in values)) for column, values in sets.items() if values]
    if wanted.of_catalog_ids is not None:
        listed = _IMAGES.c.catalog_id.in_(sorted(wanted.catalog_ids))
        found.append(listed if wanted.of_catalog_ids else ~listed)
    return found


def _text(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    """The text is data: its % and _ stand for themselves."""
    found: list[ColumnElement[bool]] = []
    if wanted.name_prefix:
        found.append(_IMAGES.c.name_key.startswith(wanted.name_prefix.lower(), autoescape=True))
    if wanted.name_contains:
        found.append(_IMAGES.c.name_key.contains(wanted.name_contains.lower(), autoescape=True))
    found += [_IMAGES.c.words.contains(word, autoescape=True) for word in wanted.search.lower().split()]
    if wanted.created_after:
        found.append(_IMAGES.c.created_at > wanted.created_after)
    if wanted.created_before:
        found.append(_IMAGES.c.created_at < wanted.created_before)
    return found


def _related(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    labels = tables.image_labels
    found: list[ColumnElement[bool]] = [
        exists().where(labels.c.image_id == _IMAGES.c.id, labels.c.key == key, labels.c.value == value)
        for key, value in wanted.labels.items()
    ]
    if wanted.node_id:
        found.append(placed(_PLACEMENTS.c.node_id == wanted.node_id))
    if wanted.pool_id:
        found.append(placed(_PLACEMENTS.c.pool_id == wanted.pool_id))
    if wanted.templates is not None:
        captured = _IMAGES.c.document[_CAPTURED].as_string().is_not(None)
        found.append(captured if wanted.templates else ~captured)
    if wanted.in_use is not None:
        used = or_(
            exists().where(of_its_own(_IMAGES.c.id)),
            exists().where(tables.vm_bases.c.image_id == _IMAGES.c.id),
        )
        found.append(used if wanted.in_use else ~used)
    return found


def _kept(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    """What a list shows at all: current versions that are not hidden, and of them what a project may use."""
    found: list[ColumnElement[bool]] = []
    if not wanted.all_versions:
        found.append(_IMAGES.c.current == true())
    if not wanted.hidden_too:
        found.append(_IMAGES.c.hidden == false())
    if wanted.usable_by_project:
        found.append(_usable(wanted.usable_by_project))
    return found


def _usable(project: str) -> ColumnElement[bool]:
    shared = tables.image_projects
    is_shared = exists().where(shared.c.image_id == _IMAGES.c.id, shared.c.project_id == project)
    return or_(
        _IMAGES.c.project_id == project,
        _IMAGES.c.visibility == Visibility.PUBLIC.value,
        and_(_IMAGES.c.visibility == Visibility.PROJECT.value, is_shared),
    )
