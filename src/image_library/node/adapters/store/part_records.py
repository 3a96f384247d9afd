"""What the journal knows of parts: what they are to become, and how much of them is surely on disk."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from image_library.node.adapters.journal import JournalDatabase


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    key: str
    # The digest that the bytes must have, as "sha512:HEX".
    expected: str
    # Announced size; 0 where it is not known.
    total: int = 0
    # Strong ETag; empty where there was none.
    validator: str = ""
    # Bytes that a power cut does not take.
    durable: int = 0
    # The boot during which it was written: what the page cache held is there while the machine stays up.
    boot_id: str = ""


class PartRecords:
    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def load(self, key: str) -> PartRecord | None:
        query = "SELECT key, expected, total, validator, durable, boot_id FROM parts WHERE key = ?"
        row = await self._journal.run(lambda c: c.execute(query, (key,)).fetchone())
        return PartRecord(**dict(row)) if row else None

    async def save(self, record: PartRecord) -> None:
        values = (*vars(record).values(), time.time())
        query = "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._journal.run(lambda c: c.execute(query, values))

    async def remove(self, key: str) -> None:
        await self._journal.run(lambda c: c.execute("DELETE FROM parts WHERE key = ?", (key,)))

    async def keep_only(self, keys: frozenset[str]) -> None:
        """Forget every part but these."""

        def work(connection: sqlite3.Connection) -> None:
            known = {row["key"] for row in connection.execute("SELECT key FROM parts")}
            connection.executemany("DELETE FROM parts WHERE key = ?", [(key,) for key in known - keys])

        await self._journal.run(work)

    async def touched_since(self, seconds_ago: float) -> frozenset[str]:
        query = "SELECT key FROM parts WHERE touched_at >= ?"
        oldest = time.time() - seconds_ago
        rows = await self._journal.run(lambda c: c.execute(query, (oldest,)).fetchall())
        return frozenset(row["key"] for row in rows)


def boot_id() -> str:
    """Another value after every start of the machine; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
