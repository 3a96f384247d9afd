"""The node's durable memory: one SQLite file, one connection, one thread, every change on disk at once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from image_library.domain.errors import LibraryError, SchemaTooNew, StorageFull, StorageIo, StoreNotWritable
from image_library.domain.store_health import Trouble
from image_library.node.ports.health import Failed

T = TypeVar("T")

# What says that the disk below the journal cannot be relied on.
_TROUBLES = {
    sqlite3.SQLITE_IOERR_WRITE: Trouble.FAILING,
    sqlite3.SQLITE_IOERR_FSYNC: Trouble.FAILING,
    sqlite3.SQLITE_IOERR_DIR_FSYNC: Trouble.FAILING,
    sqlite3.SQLITE_IOERR_TRUNCATE: Trouble.FAILING,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
}

# Each entry lifts the schema by one version and never changes once it was released.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE downloads (
        number INTEGER PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, ended INTEGER NOT NULL,
        record TEXT NOT NULL
    );
    CREATE INDEX downloads_live ON downloads (ended, number);
    CREATE TABLE parts (
        key TEXT PRIMARY KEY, expected TEXT NOT NULL, total INTEGER NOT NULL, validator TEXT NOT NULL,
        durable INTEGER NOT NULL, boot_id TEXT NOT NULL, touched_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE published (
        digest TEXT PRIMARY KEY, sha512 TEXT NOT NULL, link TEXT NOT NULL UNIQUE, inode INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX published_sha512 ON published (sha512);
    CREATE TABLE scanned (
        filename TEXT PRIMARY KEY, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        facts TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    "CREATE TABLE vms (vm_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;",
    """
    CREATE TABLE adopted (
        filename TEXT PRIMARY KEY, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        digest TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE made_of (
        source TEXT NOT NULL, shape TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (source, shape)
    ) WITHOUT ROWID;
    CREATE INDEX made_of_digest ON made_of (digest);
    """,
    """
    CREATE TABLE scrubbed (
        digest TEXT PRIMARY KEY, looked_at REAL NOT NULL, verified_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE damaged (
        digest TEXT PRIMARY KEY, actual TEXT NOT NULL, found_at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE made_of ADD COLUMN record TEXT NOT NULL DEFAULT '';",
)


class JournalDatabase:
    """Runs pieces of work one after the other, each as one transaction.

    Another part of the node may keep tables of its own here: it adds an entry to ``MIGRATIONS``.
    """

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread
        self._failed: Failed | None = None

    @classmethod
    async def open(cls, path: Path) -> JournalDatabase:
        """Open or make the journal at ``path`` (0600).

        Raises:
            SchemaTooNew: a newer version wrote it.
            StorageFull, StorageIo, StoreNotWritable
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, _connect, path)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(connection, thread)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``work``, committed durably; nothing of it is kept when it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def tell(self, failed: Failed) -> None:
        """``failed`` hears of each write or sync that does not succeed."""
        self._failed = failed

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return result
        except sqlite3.Error as error:
            trouble = _TROUBLES.get(getattr(error, "sqlite_errorcode", 0))
            if trouble is not None and self._failed is not None:
                self._failed(trouble, f"Writing the node's journal failed ({error}).")
            raise _translated(error) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # Made with its mode, so that nobody else can open it in between.
        path.touch(mode=0o600, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _set_up(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _translated(error) from error
    except OSError as error:
        raise StoreNotWritable(f"The journal {path} cannot be opened: {error.strerror}.") from error
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise SchemaTooNew("The node's journal was written by a newer version of this program.")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")


def _translated(error: sqlite3.Error) -> LibraryError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("There is no space left for the node's journal.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreNotWritable(f"The node's journal cannot be written: {error}.")
    return StorageIo(f"The node's journal failed: {error}.")
