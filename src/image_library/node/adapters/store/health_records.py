"""In the journal: that this store is degraded. Of another store that was here before it says nothing."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from image_library.domain.store_health import Degradation, Trouble
from image_library.node.adapters.journal import JournalDatabase

_NAME = "store_degraded"


class StoreHealthRecords:
    """Fulfils ``ports.health.HealthRecords``."""

    def __init__(self, journal: JournalDatabase, *, store_id: str) -> None:
        self._journal = journal
        self._store_id = store_id

    async def load(self) -> Degradation | None:
        query = "SELECT value FROM meta WHERE name = ?"
        row = await self._journal.run(lambda c: c.execute(query, (_NAME,)).fetchone())
        kept: dict[str, str] = json.loads(row["value"]) if row else {}
        if kept.get("store_id") != self._store_id:
            return None
        return Degradation(
            trouble=Trouble(kept["trouble"]),
            reason=kept["reason"],
            since=datetime.fromisoformat(kept["since"]),
        )

    async def save(self, degraded: Degradation | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if degraded is None:
                connection.execute("DELETE FROM meta WHERE name = ?", (_NAME,))
                return
            kept = {
                "store_id": self._store_id,
                "trouble": degraded.trouble.value,
                "reason": degraded.reason,
                "since": degraded.since.isoformat(),
            }
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NAME, json.dumps(kept)))

        await self._journal.run(work)
