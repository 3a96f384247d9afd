"""Downloads in the journal."""

from __future__ import annotations

import sqlite3

from image_library.domain.store import Download
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.records import dump_download, load_download


class DownloadRecords:
    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def save(self, *downloads: Download) -> None:
        await self._journal.run(lambda connection: save_downloads(connection, downloads))

    async def download(self, job_id: str) -> Download | None:
        query = "SELECT record FROM downloads WHERE job_id = ?"
        row = await self._journal.run(lambda c: c.execute(query, (job_id,)).fetchone())
        return load_download(row["record"]) if row else None

    async def unfinished(self) -> tuple[Download, ...]:
        query = "SELECT record FROM downloads WHERE NOT ended ORDER BY number"
        rows = await self._journal.run(lambda c: c.execute(query).fetchall())
        return tuple(load_download(row["record"]) for row in rows)


def save_downloads(connection: sqlite3.Connection, downloads: tuple[Download, ...]) -> None:
    """Part of a transaction; a record that has ended is never written over."""
    connection.executemany(
        """
        INSERT INTO downloads (job_id, state, ended, record) VALUES (?, ?, ?, ?)
        ON CONFLICT (job_id) DO UPDATE
        SET state = excluded.state, ended = excluded.ended, record = excluded.record WHERE NOT ended
        """,
        [(d.order.job_id, d.state.value, d.state.ended, dump_download(d)) for d in downloads],
    )
