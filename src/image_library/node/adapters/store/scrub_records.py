"""In the journal: when each blob was last read whole, and which ones were found damaged."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

from image_library.domain.inventory import DamagedImage
from image_library.domain.store_health import Damage
from image_library.node.adapters.journal import JournalDatabase

_LAST_DAMAGE = "last_damage"


class ScrubRecords:
    """Digests are "sha256:HEX"."""

    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def times(self) -> dict[str, tuple[float, float]]:
        """When each blob was looked at last, and when it was found whole last (0: never), in Unix time."""
        rows = await self._journal.run(lambda c: c.execute("SELECT * FROM scrubbed").fetchall())
        return {row["digest"]: (row["looked_at"], row["verified_at"]) for row in rows}

    async def looked(self, digest: str, at: datetime, *, whole: bool) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO scrubbed (digest, looked_at, verified_at) VALUES (?1, ?2, ?3) "
                "ON CONFLICT (digest) DO UPDATE SET looked_at = ?2, verified_at = max(verified_at, ?3)",
                (digest, at.timestamp(), at.timestamp() if whole else 0.0),
            )

        await self._journal.run(work)

    async def condemn(self, damaged: DamagedImage, at: datetime, *, name: str) -> None:
        """In one transaction: it is no image of this node any more, and it is known to be damaged."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO damaged (digest, actual, found_at) VALUES (?, ?, ?)",
                (damaged.checksum, damaged.actual, at.timestamp()),
            )
            kept = json.dumps({"digest": damaged.checksum, "name": name, "found_at": at.isoformat()})
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_LAST_DAMAGE, kept))
            for table in ("published", "scrubbed"):
                connection.execute(f"DELETE FROM {table} WHERE digest = ?", (damaged.checksum,))  # noqa: S608

        await self._journal.run(work)

    async def damaged(self) -> tuple[DamagedImage, ...]:
        rows = await self._journal.run(
            lambda c: c.execute("SELECT * FROM damaged ORDER BY digest").fetchall()
        )
        return tuple(_damaged(row) for row in rows)

    async def last_damage(self) -> Damage | None:
        query = "SELECT value FROM meta WHERE name = ?"
        row = await self._journal.run(lambda c: c.execute(query, (_LAST_DAMAGE,)).fetchone())
        kept: dict[str, str] = json.loads(row["value"]) if row else {}
        if not kept:
            return None
        found_at = datetime.fromisoformat(kept["found_at"])
        return Damage(digest=kept["digest"], name=kept["name"], found_at=found_at)

    async def find(self, digest: str) -> DamagedImage | None:
        query = "SELECT * FROM damaged WHERE digest = ?"
        row = await self._journal.run(lambda c: c.execute(query, (digest,)).fetchone())
        return _damaged(row) if row else None

    async def forget(self, digest: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM damaged WHERE digest = ?", (digest,))

        await self._journal.run(work)


def _damaged(row: sqlite3.Row) -> DamagedImage:
    return DamagedImage(
        checksum=row["digest"], actual=row["actual"], found_at=datetime.fromtimestamp(row["found_at"], UTC)
    )
