"""Tombstones in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.rows import upsert
from image_library.domain.garbage import Tombstone

_STONES = tables.tombstones


class DatabaseTombstones:
    """Fulfils ``ports.tombstones.Tombstones`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, digest: str) -> Tombstone | None:
        found = await self._where(_STONES.c.digest == digest)
        return found[0] if found else None

    async def waiting(self) -> tuple[Tombstone, ...]:
        return await self._where(_STONES.c.cleared_at.is_(None))

    async def expired(self, before: datetime) -> tuple[Tombstone, ...]:
        return await self._where(_STONES.c.cleared_at < before)

    async def save(self, tombstone: Tombstone) -> None:
        values = vars(tombstone) | {"waiting": sorted(tombstone.waiting)}
        await upsert(self._connection, _STONES, values, key=("digest",))

    async def lift(self, digest: str) -> None:
        await self._connection.execute(delete(_STONES).where(_STONES.c.digest == digest))

    async def _where(self, condition: ColumnElement[bool]) -> tuple[Tombstone, ...]:
        query = select(_STONES).where(condition).order_by(_STONES.c.deleted_at, _STONES.c.digest)
        return tuple(_tombstone(row) for row in await self._connection.execute(query))


def _tombstone(row: Row[Any]) -> Tombstone:
    return Tombstone(
        digest=row.digest,
        image_id=row.image_id,
        name=row.name,
        deleted_at=row.deleted_at,
        waiting=frozenset(row.waiting),
        cleared_at=row.cleared_at,
    )
