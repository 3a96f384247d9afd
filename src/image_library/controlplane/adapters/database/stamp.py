"""The library's sequence number: one for each transaction that changes something, in the order of commits."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.rows import upsert

_SEQUENCE = tables.sequence


class Stamp:
    """Of one transaction. Taking the number holds the row until the commit: numbers show in their order."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.taken = 0

    async def number(self) -> int:
        if not self.taken:
            following = update(_SEQUENCE).values(value=_SEQUENCE.c.value + 1).returning(_SEQUENCE.c.value)
            self.taken = (await self._connection.execute(following)).scalar_one()
        return self.taken

    async def removed(self, kind: str, item_id: str) -> None:
        """Note that something is gone."""
        values = {
            "kind": kind,
            "id": item_id,
            "sequence": await self.number(),
            "removed_at": datetime.now(UTC),
        }
        await upsert(self._connection, tables.removals, values, key=("kind", "id"))
