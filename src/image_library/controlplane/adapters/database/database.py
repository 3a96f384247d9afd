"""The SQLite database: how it is opened, and its transactions."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.calls import DatabaseCalls
from image_library.controlplane.adapters.database.changes import DatabaseChanges
from image_library.controlplane.adapters.database.images import DatabaseImages
from image_library.controlplane.adapters.database.jobs import DatabaseJobs
from image_library.controlplane.adapters.database.nodes import DatabaseNodes
from image_library.controlplane.adapters.database.refreshes import DatabaseRefreshes
from image_library.controlplane.adapters.database.schema import bring_up_to_date
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.controlplane.adapters.database.tombstones import DatabaseTombstones
from image_library.controlplane.adapters.database.vms import DatabaseVms
from image_library.controlplane.ports.records import LIBRARY
from image_library.domain.changes import Changed, Changes
from image_library.domain.errors import StorageFull, StorageIo, StoreNotWritable

# WAL lets readers go on while one writes; FULL makes a commit survive a power cut.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


class DatabaseRecords:
    """Fulfils ``ports.records.Records``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.stamp = Stamp(connection)
        self.images = DatabaseImages(connection, self.stamp)
        self.jobs = DatabaseJobs(connection, self.stamp)
        self.nodes = DatabaseNodes(connection, self.stamp)
        self.vms = DatabaseVms(connection, self.stamp)
        self.changes = DatabaseChanges(connection)
        self.tombstones = DatabaseTombstones(connection)
        self.refreshes = DatabaseRefreshes(connection)
        self.calls = DatabaseCalls(connection)


class SqliteDatabase:
    """Fulfils ``ports.records.Database``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Two of our own writers wait for each other here, not inside SQLite with a thread each.
        self._writer = asyncio.Lock()
        self._changes = Changes()
        # One process writes to the file: what it committed last is the last. None: not looked at yet.
        self._sequence: int | None = None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[DatabaseRecords]:
        with _translated():
            async with self._engine.connect() as connection:
                yield DatabaseRecords(connection)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[DatabaseRecords]:
        with _translated():
            async with self._writer, self._engine.connect() as connection:
                await connection.execution_options(immediate=True)
                async with connection.begin():
                    records = DatabaseRecords(connection)
                    yield records
        if records.stamp.taken:
            self._sequence = records.stamp.taken
            self._changes.notify(LIBRARY)

    async def sequence(self) -> int:
        if self._sequence is None:
            with _translated():
                async with self._engine.connect() as connection:
                    found = (await connection.execute(select(tables.sequence.c.value))).scalar_one()
            # Commits of meanwhile know it better.
            self._sequence = max(self._sequence or 0, found)
        return self._sequence

    def follow(self) -> AbstractContextManager[Changed]:
        return self._changes.follow(LIBRARY)

    async def secret(self, name: str) -> str:
        wanted = select(tables.meta.c.value).where(tables.meta.c.key == name)
        with _translated():
            async with self._writer, self._engine.begin() as connection:
                found = (await connection.execute(wanted)).scalar()
                if found is None:
                    found = secrets.token_hex(32)
                    await connection.execute(insert(tables.meta).values(key=name, value=found))
                return str(found)

    async def migrate(self) -> None:
        """Bring the tables to the present form, in one transaction.

        Raises:
            SchemaTooNew: a newer version has written this database.
        """
        with _translated():
            async with self._writer, self._engine.connect() as connection:
                await connection.execution_options(immediate=True)
                async with connection.begin():
                    await connection.run_sync(bring_up_to_date)

    async def pragmas(self, *names: str) -> dict[str, Any]:
        """How SQLite is set in fact."""
        async with self._engine.connect() as connection:
            return {n: (await connection.execute(text(f"PRAGMA {n}"))).scalar() for n in names}


@asynccontextmanager
async def open_database(path: Path) -> AsyncGenerator[SqliteDatabase]:
    """The database in this file, made when missing and brought up to date; closed at the end.

    Raises:
        SchemaTooNew: a newer version has written it.
        StoreNotWritable: the file cannot be opened for writing.
    """
    _make(path)
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=2, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    database = SqliteDatabase(engine)
    try:
        await database.migrate()
        yield database
    finally:
        await engine.dispose()


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
