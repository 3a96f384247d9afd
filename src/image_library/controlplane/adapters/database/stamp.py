"""The library's sequence number: one for each transaction that changes something, in the order of commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.rows import upsert

_SEQUENCE = tables.sequence
# What lists of images show nothing of.
NOT_SHOWN = frozenset({"job", "node"})


class Stamp:
    """Of one transaction. Taking the number holds the row until the commit: numbers show in their order."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.taken = 0
        # It changes what lists of images show.
        self.images = False

    async def number(self, *, shown: bool = True) -> int:
        """The transaction's number, for a change that lists of images show or do not show."""
        if not self.taken:
            following: dict[str, Any] = {"value": _SEQUENCE.c.value + 1}
            if shown:
                following["images"] = _SEQUENCE.c.value + 1
            taking = update(_SEQUENCE).values(**following).returning(_SEQUENCE.c.value)
            self.taken = (await self._connection.execute(taking)).scalar_one()
        elif shown and not self.images:
            await self._connection.execute(update(_SEQUENCE).values(images=_SEQUENCE.c.value))
        self.images = self.images or shown
        return self.taken

    async def removed(self, kind: str, item_id: str) -> None:
        """Note that something is gone."""
        values = {
            "kind": kind,
            "id": item_id,
            "sequence": await self.number(shown=kind not in NOT_SHOWN),
            "removed_at": datetime.now(UTC),
        }
        await upsert(self._connection, tables.removals, values, key=("kind", "id"))


@dataclass(frozen=True)
class Numbers:
    """Of the last change of anything, and of the last that lists of images show."""

    all: int
    images: int

    def after(self, stamp: Stamp) -> Numbers:
        return Numbers(stamp.taken, stamp.taken if stamp.images else self.images)


async def read_numbers(connection: AsyncConnection) -> Numbers:
    found = (await connection.execute(select(_SEQUENCE.c.value, _SEQUENCE.c.images))).one()
    return Numbers(found.value, found.images)
