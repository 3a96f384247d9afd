"""The database: how it is opened, whichever it is, and its transactions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.calls import DatabaseCalls
from image_library.controlplane.adapters.database.changes import DatabaseChanges
from image_library.controlplane.adapters.database.copies import DatabaseCopies
from image_library.controlplane.adapters.database.engines import Engines
from image_library.controlplane.adapters.database.images import DatabaseImages
from image_library.controlplane.adapters.database.jobs import DatabaseJobs
from image_library.controlplane.adapters.database.nodes import DatabaseNodes
from image_library.controlplane.adapters.database.profiles import DatabaseProfiles
from image_library.controlplane.adapters.database.refreshes import DatabaseRefreshes
from image_library.controlplane.adapters.database.schema import bring_up_to_date
from image_library.controlplane.adapters.database.sessions import DatabaseSessions
from image_library.controlplane.adapters.database.sqlite import open_sqlite
from image_library.controlplane.adapters.database.stamp import Numbers, Stamp, read_numbers
from image_library.controlplane.adapters.database.tombstones import DatabaseTombstones
from image_library.controlplane.adapters.database.vms import DatabaseVms
from image_library.controlplane.ports.records import LIBRARY
from image_library.domain.changes import Changed, Changes


class DatabaseRecords:
    """Fulfils ``ports.records.Records``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.stamp = Stamp(connection)
        self.images = DatabaseImages(connection, self.stamp)
        self.copies = DatabaseCopies(connection)
        self.jobs = DatabaseJobs(connection, self.stamp)
        self.nodes = DatabaseNodes(connection, self.stamp)
        self.vms = DatabaseVms(connection, self.stamp)
        self.changes = DatabaseChanges(connection)
        self.tombstones = DatabaseTombstones(connection)
        self.refreshes = DatabaseRefreshes(connection)
        self.calls = DatabaseCalls(connection)
        self.sessions = DatabaseSessions(connection)
        self.profiles = DatabaseProfiles(connection)


class SqlDatabase:
    """Fulfils ``ports.records.Database``."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        # Two of our own writers wait for each other here, not inside the database.
        self._writer = asyncio.Lock()
        self._changes = Changes()
        # As of the last commit, where nobody else commits; None: to be looked up.
        self._numbers: Numbers | None = None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[DatabaseRecords]:
        with self._engines.translated():
            async with self._engines.readers.connect() as connection:
                yield DatabaseRecords(connection)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[DatabaseRecords]:
        try:
            with self._engines.translated():
                async with self._writer, self._engines.writers.begin() as connection:
                    records = DatabaseRecords(connection)
                    yield records
        except BaseException:
            # Cut off at the wrong moment, it may have been committed nevertheless.
            self._numbers = None
            raise
        if records.stamp.taken:
            self._numbers = self._numbers and self._numbers.after(records.stamp)
            self._changes.notify(LIBRARY)

    async def sequence(self) -> int:
        return (await self._last()).all

    async def images_sequence(self) -> int:
        return (await self._last()).images

    async def _last(self) -> Numbers:
        if not self._engines.alone:
            return await self._stored_numbers()
        if self._numbers is None:
            # Nobody commits meanwhile.
            async with self._writer:
                self._numbers = await self._stored_numbers()
        return self._numbers

    async def _stored_numbers(self) -> Numbers:
        with self._engines.translated():
            async with self._engines.glances.connect() as connection:
                return await read_numbers(connection)

    def follow(self) -> AbstractContextManager[Changed]:
        return self._changes.follow(LIBRARY)

    async def secret(self, name: str) -> str:
        wanted = select(tables.meta.c.value).where(tables.meta.c.key == name)
        with self._engines.translated():
            async with self._writer, self._engines.writers.begin() as connection:
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
        with self._engines.translated():
            async with self._writer, self._engines.writers.begin() as connection:
                await connection.run_sync(bring_up_to_date)

    async def pragmas(self, *names: str) -> dict[str, Any]:
        """How SQLite is set in fact."""
        async with self._engines.readers.connect() as connection:
            return {n: (await connection.execute(text(f"PRAGMA {n}"))).scalar() for n in names}


@asynccontextmanager
async def open_database(where: Path | str) -> AsyncGenerator[SqlDatabase]:
    """SQLite's database in this file or PostgreSQL's with this URL, brought up to date; closed at the end.

    Raises:
        SchemaTooNew: a newer version has written it.
        StoreNotWritable: it cannot be opened for writing.
        DatabaseBusy, DatabaseUnavailable: PostgreSQL serves another control plane, or does not answer.
        InvalidSettings: the URL cannot be used.
    """
    engines = open_sqlite(where) if isinstance(where, Path) else _open_postgresql(where)
    database = SqlDatabase(engines)
    try:
        await database.migrate()
        yield database
    finally:
        await engines.close()


def _open_postgresql(url: str) -> Engines:
    # Loading it takes a while, and most control planes keep SQLite.
    from image_library.controlplane.adapters.database.postgresql import open_postgresql

    return open_postgresql(url)
