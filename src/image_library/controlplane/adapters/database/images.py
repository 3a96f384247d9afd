"""Images in the database: a row, its labels and its placements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import named, newest_first, page_of, upsert
from image_library.controlplane.ports.images import ImageFilter
from image_library.domain.errors import NameTaken
from image_library.domain.image import Image, Placement, PlacementState
from image_library.domain.paging import Page, PageRequest

_IMAGES = tables.images
_PLACEMENTS = tables.placements


class DatabaseImages:
    """Fulfils ``ports.images.Images`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, image_id: str) -> Image | None:
        found = await self._where(_IMAGES.c.id == image_id)
        return found[0] if found else None

    async def named(self, name: str, project_id: str = "") -> tuple[Image, ...]:
        conditions = [named(_IMAGES, name)]
        if project_id:
            conditions.append(_IMAGES.c.project_id == project_id)
        return await self._where(*conditions)

    async def of_catalog(self, catalog_id: str = "") -> tuple[Image, ...]:
        wanted = _IMAGES.c.catalog_id == catalog_id if catalog_id else _IMAGES.c.catalog_id != ""
        return await self._where(wanted)

    async def with_digest(self, digest: str) -> tuple[Image, ...]:
        return await self._where(_IMAGES.c.digest == digest) if digest else ()

    async def on_node(self, node_id: str) -> tuple[Image, ...]:
        return await self._where(_placed(_PLACEMENTS.c.node_id == node_id))

    async def at_path(self, path: str, node_id: str = "") -> tuple[Image, ...]:
        conditions = [_PLACEMENTS.c.path == path]
        if node_id:
            conditions.append(_PLACEMENTS.c.node_id == node_id)
        return await self._where(_placed(*conditions))

    async def list(self, matching: ImageFilter, page: PageRequest) -> Page[Image]:
        rows, total, after = await page_of(self._connection, _IMAGES, _conditions(matching), page)
        return Page(items=await self._with_placements(rows), total=total, next=after)

    async def names(self) -> tuple[str, ...]:
        return tuple((await self._connection.execute(select(_IMAGES.c.name).distinct())).scalars())

    async def save(self, image: Image) -> None:
        try:
            await upsert(self._connection, _IMAGES, _row(image))
        except IntegrityError as error:
            raise NameTaken(f"An image '{image.name}' exists already.", field="name") from error
        await self._replace(tables.image_labels, image.id, _label_rows(image))
        await self._replace(_PLACEMENTS, image.id, _placement_rows(image))

    async def remove(self, image_id: str) -> None:
        await self._connection.execute(delete(_IMAGES).where(_IMAGES.c.id == image_id))

    async def used_by(self, image_id: str) -> tuple[str, ...]:
        query = select(tables.vms.c.name).where(tables.vms.c.image_id == image_id)
        return tuple((await self._connection.execute(query.order_by(tables.vms.c.name))).scalars())

    async def _replace(self, table: Any, image_id: str, rows: list[dict[str, Any]]) -> None:
        await self._connection.execute(delete(table).where(table.c.image_id == image_id))
        if rows:
            await self._connection.execute(insert(table), rows)

    async def _where(self, *conditions: ColumnElement[bool]) -> tuple[Image, ...]:
        query = newest_first(select(_IMAGES).where(*conditions), _IMAGES)
        return await self._with_placements((await self._connection.execute(query)).all())

    async def _with_placements(self, rows: Sequence[Row[Any]]) -> tuple[Image, ...]:
        """One more query for all of them, not one for each."""
        if not rows:
            return ()
        query = select(_PLACEMENTS).where(_PLACEMENTS.c.image_id.in_([row.id for row in rows]))
        found: defaultdict[str, list[Placement]] = defaultdict(list)
        for row in await self._connection.execute(query.order_by(_PLACEMENTS.c.position)):
            found[row.image_id].append(_placement(row))
        return tuple(from_document(Image, row.document, placements=tuple(found[row.id])) for row in rows)


def _placed(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_PLACEMENTS.c.image_id == _IMAGES.c.id, *conditions)


def _conditions(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    pairs = {
        _IMAGES.c.project_id: wanted.project_id or None,
        _IMAGES.c.os_family: wanted.os_family and wanted.os_family.value,
        _IMAGES.c.visibility: wanted.visibility and wanted.visibility.value,
        _IMAGES.c.format: wanted.format and wanted.format.value,
    }
    labels = tables.image_labels
    return [column == value for column, value in pairs.items() if value is not None] + [
        exists().where(labels.c.image_id == _IMAGES.c.id, labels.c.key == key, labels.c.value == value)
        for key, value in wanted.labels.items()
    ]


def _row(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "project_id": image.project_id,
        "name": image.name,
        "catalog_id": image.catalog_id,
        "os_family": image.os.family.value,
        "format": image.format.value,
        "visibility": image.visibility.value,
        "phase": image.phase.value,
        "digest": image.digest,
        "document": to_document(image, but=frozenset({"placements"})),
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


def _label_rows(image: Image) -> list[dict[str, Any]]:
    return [{"image_id": image.id, "key": key, "value": value} for key, value in image.labels.items()]


def _placement_rows(image: Image) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image.id,
            "node_id": placement.node_id,
            "position": position,
            "path": placement.path,
            "state": placement.state.value,
            "verified_at": placement.verified_at,
        }
        for position, placement in enumerate(image.placements)
    ]


def _placement(row: Row[Any]) -> Placement:
    return Placement(
        node_id=row.node_id, path=row.path, state=PlacementState(row.state), verified_at=row.verified_at
    )
