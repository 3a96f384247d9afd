"""SQLite: how the file is opened, how its transactions begin, and what it says when it cannot go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from image_library.controlplane.adapters.database.engines import Engines
from image_library.domain.errors import StorageFull, StorageIo, StoreNotWritable

# WAL lets readers go on while one writes; FULL makes a commit survive a power cut.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


def open_sqlite(path: Path) -> Engines:
    """The database in this file, made when missing.

    Raises:
        StoreNotWritable: the file cannot be opened for writing.
    """
    _make(path)
    url = URL.create("sqlite+aiosqlite", database=str(path))
    # More threads than two lose more to each other than they gain.
    engine = create_async_engine(url, pool_size=2, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    writers = engine.execution_options(immediate=True)
    return Engines(readers=engine, glances=engine, writers=writers, translated=_translated, alone=True)


def _make(path: Path) -> None:
    # The driver's thread for a file that cannot be opened would end after the loop, and loudly.
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise StoreNotWritable(f"The database {path} cannot be opened: {error.strerror}.") from error


def _prepare(raw: Any, _record: object) -> None:
    # The driver would begin transactions by itself, too late for a consistent view; _begin does it.
    raw.isolation_level = None
    cursor = raw.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
    except BaseException:
        # The pool does not know it yet, and its thread would outlive the loop.
        raw.close()
        raise
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer that began as a reader could fail in its middle; IMMEDIATE waits at the start instead.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.execute(text("BEGIN IMMEDIATE" if immediate else "BEGIN"))


@contextmanager
def _translated() -> Generator[None]:
    """Turns what SQLite says of its disk into our own errors; anything else is a fault of ours."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        said = str(getattr(error, "orig", error) or error)
        if "full" in said:
            raise StorageFull("There is no space left for the control plane's database.") from error
        if "readonly" in said or "unable to open" in said:
            raise StoreNotWritable("The control plane's database cannot be written.") from error
        if "I/O" in said or "malformed" in said or "locked" in said or "not a database" in said:
            raise StorageIo(f"The control plane's database answered: {said}.") from error
        raise
