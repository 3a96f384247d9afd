"""The node's journal: all or nothing, durable, and never read by an older program."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from image_library.domain.errors import SchemaTooNew, StorageIo, StoreNotWritable
from image_library.node.adapters.journal import MIGRATIONS, JournalDatabase


def put(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO meta VALUES ('name', 'value')")


async def names(journal: JournalDatabase) -> list[str]:
    rows = await journal.run(lambda c: c.execute("SELECT name FROM meta").fetchall())
    return [row["name"] for row in rows]


async def test_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await JournalDatabase.open(path)
    await journal.run(put)
    await journal.close()
    again = await JournalDatabase.open(path)
    assert await names(again) == ["name"]
    await again.close()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_keeps_nothing_of_work_that_failed(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        put(connection)
        raise ZeroDivisionError

    journal = await JournalDatabase.open(tmp_path / "journal.db")
    with pytest.raises(ZeroDivisionError):
        await journal.run(half)
    assert await names(journal) == []
    await journal.run(put)
    assert await names(journal) == ["name"]
    await journal.close()


async def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(SchemaTooNew):
        await JournalDatabase.open(path)


async def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StorageIo, match="journal failed"):
        await JournalDatabase.open(path)


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreNotWritable):
        await JournalDatabase.open(tmp_path / "missing" / "journal.db")
