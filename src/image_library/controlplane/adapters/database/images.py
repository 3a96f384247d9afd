"""Images in the database: a document, and beside it what lists filter and sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.image_filters import conditions_of, placed
from image_library.controlplane.adapters.database.rows import (
    newest_first,
    on_its_own,
    rows_of,
    total_of,
    upsert,
)
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.controlplane.adapters.database.vms import keeps
from image_library.controlplane.ports.images import ImageFilter
from image_library.domain.errors import NameTaken
from image_library.domain.image import Image
from image_library.domain.paging import Page, PageRequest, SortKey

_IMAGES = tables.images
_PLACEMENTS = tables.placements
_COLUMNS: dict[SortKey, ColumnElement[Any]] = {
    SortKey.CREATED_AT: _IMAGES.c.created_at,
    SortKey.UPDATED_AT: _IMAGES.c.updated_at,
    SortKey.NAME: _IMAGES.c.name_key,
    SortKey.SIZE_BYTES: _IMAGES.c.size_bytes,
}


class DatabaseImages:
    """Fulfils ``ports.images.Images`` within one transaction."""

    def __init__(self, connection: AsyncConnection, stamp: Stamp) -> None:
        self._connection = connection
        self._stamp = stamp

    async def get(self, image_id: str) -> Image | None:
        found = await self._where(_IMAGES.c.id == image_id)
        return found[0] if found else None

    async def named(self, name: str, project_id: str = "") -> tuple[Image, ...]:
        conditions = [_IMAGES.c.name_key == name.lower(), _IMAGES.c.current == true()]
        if project_id:
            conditions.append(_IMAGES.c.project_id == project_id)
        return await self._where(*conditions)

    async def versions(self, name: str, project_id: str) -> tuple[Image, ...]:
        found = await self._where(_IMAGES.c.name_key == name.lower(), _IMAGES.c.project_id == project_id)
        return tuple(sorted(found, key=lambda image: image.version, reverse=True))

    async def of_catalog(self, catalog_id: str = "") -> tuple[Image, ...]:
        wanted = _IMAGES.c.catalog_id == catalog_id if catalog_id else _IMAGES.c.catalog_id != ""
        return await self._where(wanted)

    async def with_digest(self, digest: str) -> tuple[Image, ...]:
        return await self._where(_IMAGES.c.digest == digest) if digest else ()

    async def on_node(self, node_id: str) -> tuple[Image, ...]:
        return await self._where(placed(_PLACEMENTS.c.node_id == node_id))

    async def at_path(self, path: str, node_id: str = "") -> tuple[Image, ...]:
        conditions = [_PLACEMENTS.c.path == path]
        if node_id:
            conditions.append(_PLACEMENTS.c.node_id == node_id)
        return await self._where(placed(*conditions))

    async def list(
        self, matching: ImageFilter, page: PageRequest, *, total: int | None = None
    ) -> Page[Image]:
        conditions = conditions_of(matching)
        if total is None:
            total = await total_of(self._connection, _IMAGES, conditions)
        query = select(_IMAGES.c.id, _IMAGES.c.document).where(*conditions)
        column = _COLUMNS[page.order.key]
        rows, after = await rows_of(self._connection, query, column, page, row_id=_IMAGES.c.id)
        items = tuple(from_document(Image, row.document) for row in rows)
        return Page(items=items, total=total, next=after)

    async def names(self) -> tuple[str, ...]:
        return tuple((await self._connection.execute(select(_IMAGES.c.name).distinct())).scalars())

    async def save(self, image: Image) -> None:
        image = replace(image, sequence=await self._stamp.number())
        try:
            async with on_its_own(self._connection):
                await upsert(self._connection, _IMAGES, _row(image))
        except IntegrityError as error:
            raise NameTaken(f"An image '{image.name}' exists already.", field="name") from error
        await self._replace(tables.image_labels, image.id, _label_rows(image))
        await self._replace(tables.image_projects, image.id, _project_rows(image))
        await self._replace(_PLACEMENTS, image.id, _placement_rows(image))

    async def save_all(self, images: Sequence[Image]) -> None:
        if not images:
            return
        number = await self._stamp.number()
        images = [replace(image, sequence=number) for image in images]
        ids = [image.id for image in images]
        known = set(
            (await self._connection.execute(select(_IMAGES.c.id).where(_IMAGES.c.id.in_(ids)))).scalars()
        )
        rows = [_row(image) for image in images]
        changed = [{"row_id": row["id"], **row} for row in rows if row["id"] in known]
        try:
            await self._insert(_IMAGES, [row for row in rows if row["id"] not in known])
            if changed:
                values: dict[str, Any] = {name: bindparam(name) for name in rows[0]}
                same = update(_IMAGES).where(_IMAGES.c.id == bindparam("row_id")).values(values)
                await self._connection.execute(same, changed)
        except IntegrityError as error:
            raise NameTaken("The name of one of the images is taken.", field="name") from error
        parts = {
            tables.image_labels: _label_rows,
            tables.image_projects: _project_rows,
            _PLACEMENTS: _placement_rows,
        }
        for table, rows_of_image in parts.items():
            await self._connection.execute(delete(table).where(table.c.image_id.in_(known)))
            await self._insert(table, [row for image in images for row in rows_of_image(image)])

    async def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self._connection.execute(insert(table), rows)

    async def remove(self, image_id: str) -> None:
        gone = await self._connection.execute(delete(_IMAGES).where(_IMAGES.c.id == image_id))
        if gone.rowcount:
            await self._stamp.removed("image", image_id)

    async def bytes_of_project(self, project_id: str) -> int:
        files = (
            select(func.max(_IMAGES.c.size_bytes).label("size"))
            .where(_IMAGES.c.project_id == project_id, _IMAGES.c.digest != "")
            .group_by(_IMAGES.c.digest)
            .subquery()
        )
        total = await self._connection.execute(select(func.coalesce(func.sum(files.c.size), 0)))
        return int(total.scalar_one())

    async def used_by(self, image_id: str) -> tuple[str, ...]:
        query = select(tables.vms.c.name).where(keeps(image_id))
        return tuple((await self._connection.execute(query.order_by(tables.vms.c.name))).scalars())

    async def _replace(self, table: Table, image_id: str, rows: list[dict[str, Any]]) -> None:
        await self._connection.execute(delete(table).where(table.c.image_id == image_id))
        await self._insert(table, rows)

    async def _where(self, *conditions: ColumnElement[bool]) -> tuple[Image, ...]:
        query = newest_first(select(_IMAGES.c.document).where(*conditions), _IMAGES)
        return tuple(from_document(Image, row.document) for row in await self._connection.execute(query))


def _row(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "project_id": image.project_id,
        "name": image.name,
        "name_key": image.name.lower(),
        "version": image.version,
        "current": image.current,
        "hidden": image.hidden,
        "protected": image.protected,
        "deprecated": image.deprecation is not None,
        "catalog_id": image.catalog_id,
        "os_family": image.os.family.value,
        "distribution": image.os.distribution.lower(),
        "os_version": image.os.version.lower(),
        "architecture": image.os.architecture.lower(),
        "format": image.format.value,
        "visibility": image.visibility.value,
        "phase": image.phase.value,
        "trust": image.trust.value,
        "size_bytes": image.size_bytes,
        "digest": image.digest,
        "words": " ".join((image.name, image.os.distribution, image.description)).lower(),
        "document": to_document(image),
        "sequence": image.sequence,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


def _label_rows(image: Image) -> list[dict[str, Any]]:
    return [{"image_id": image.id, "key": key, "value": value} for key, value in image.labels.items()]


def _project_rows(image: Image) -> list[dict[str, Any]]:
    return [{"image_id": image.id, "project_id": project} for project in dict.fromkeys(image.shared_projects)]


def _placement_rows(image: Image) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image.id,
            "node_id": placement.node_id,
            "position": position,
            "pool_id": placement.pool_id,
            "path": placement.path,
            "state": placement.state.value,
            "verified_at": placement.verified_at,
        }
        for position, placement in enumerate(image.placements)
    ]
