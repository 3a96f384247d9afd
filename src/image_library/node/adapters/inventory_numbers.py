"""The numbers of the node's reports, in its journal: they tell an old report from a new one."""

from __future__ import annotations

import sqlite3
import uuid

from image_library.domain.node import InventoryMark
from image_library.node.adapters.journal import JournalDatabase

_EPOCH = "inventory_epoch"
_SEQUENCE = "inventory_sequence"


class InventoryNumbers:
    """Fulfils ``ports.storage.InventoryNumbering``."""

    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def next(self) -> InventoryMark:
        def work(connection: sqlite3.Connection) -> InventoryMark:
            last = _last(connection)
            return _keep(connection, InventoryMark(epoch=last.epoch, sequence=last.sequence + 1))

        return await self._journal.run(work)

    async def compare(self, heard: InventoryMark) -> None:
        def work(connection: sqlite3.Connection) -> None:
            last = _last(connection)
            if heard.epoch == last.epoch and heard.sequence > last.sequence:
                _keep(connection, _begun())

        await self._journal.run(work)


def _last(connection: sqlite3.Connection) -> InventoryMark:
    query = "SELECT name, value FROM meta WHERE name IN (?, ?)"
    kept = {row["name"]: row["value"] for row in connection.execute(query, (_EPOCH, _SEQUENCE))}
    return InventoryMark(epoch=kept[_EPOCH], sequence=int(kept[_SEQUENCE])) if len(kept) == 2 else _begun()


def _begun() -> InventoryMark:
    return InventoryMark(epoch=str(uuid.uuid4()))


def _keep(connection: sqlite3.Connection, mark: InventoryMark) -> InventoryMark:
    pairs = [(_EPOCH, mark.epoch), (_SEQUENCE, str(mark.sequence))]
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)
    return mark
