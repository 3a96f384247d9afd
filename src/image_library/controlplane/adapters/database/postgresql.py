"""PostgreSQL: how it is connected to, who may write to it, and what it says when it cannot go on."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import create_async_engine

from image_library.controlplane.adapters.database.engines import Engines
from image_library.domain.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    InvalidRequest,
    InvalidSettings,
    StorageFull,
    StorageIo,
    StoreNotWritable,
    printable,
)

# What the URL does not say. A connection whose other end is gone is noticed within half a minute, so that
# a lock is not held for long by somebody who is not there any more.
_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "limiquantix",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
# All of them are kept: opening one takes longer than most of what is read.
_READERS = 8
# A control plane that was killed is there for another moment.
_PATIENCE = "2s"
_LOCK = "SELECT pg_advisory_lock(hashtextextended('limiquantix ' || current_schema(), 0))"
_TAKEN = "55P03"


def open_postgresql(url: str) -> Engines:
    """The database with this URL. Its one connection that writes holds a lock for as long as it is open.

    Raises:
        InvalidSettings: the URL has the wrong form, or psycopg is not installed.
    """
    _need_psycopg()
    parsed = _parsed(url)
    readers = create_async_engine(
        parsed,
        pool_size=_READERS,
        max_overflow=0,
        # A server that was restarted must cost nobody an error.
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        hide_parameters=True,
    )
    writers = create_async_engine(
        parsed, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
    )
    event.listen(writers.sync_engine, "connect", _take_the_lock)
    return Engines(
        readers=readers.execution_options(postgresql_readonly=True),
        glances=readers.execution_options(isolation_level="AUTOCOMMIT"),
        writers=writers,
        translated=_translated,
        alone=False,
    )


def _parsed(url: str) -> URL:
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    try:
        parsed = make_url(url)
        make_conninfo(**{name: str(value) for name, value in parsed.query.items()})
    except (ArgumentError, ValueError):
        # Its text is not repeated: it may hold a password.
        raise InvalidSettings("The database URL cannot be read.", field="database_url") from None
    except ProgrammingError as error:
        raise InvalidSettings(f"The database URL has an {error}.", field="database_url") from None
    missing = {name: value for name, value in _DEFAULTS.items() if name not in parsed.query}
    return parsed.set(drivername="postgresql+psycopg").update_query_dict(missing)


def _need_psycopg() -> None:
    try:
        import psycopg
    except ImportError as error:
        raise InvalidSettings(
            f"PostgreSQL needs the package psycopg, which cannot be loaded: {error}.",
            remedy="Install it: pip install 'limiquantix-image-library[postgresql]'.",
            field="database_url",
        ) from None
    assert psycopg


def _take_the_lock(raw: Any, _record: object) -> None:
    """The lock lives as long as the connection that writes: whoever cannot have it cannot write."""
    cursor = raw.cursor()
    try:
        cursor.execute(f"SET lock_timeout = '{_PATIENCE}'")
        cursor.execute(_LOCK)
        cursor.execute("RESET lock_timeout")
        raw.commit()
    except BaseException as error:
        raw.close()
        if getattr(error, "sqlstate", None) == _TAKEN:
            raise DatabaseBusy("Another control plane uses this database.") from None
        raise
    cursor.close()


@contextmanager
def _translated() -> Generator[None]:
    """Turns what PostgreSQL says into our own errors; a statement it does not know is a fault of ours."""
    try:
        yield
    except PoolExhausted as error:
        raise DatabaseUnavailable("Every connection to the database has been busy for too long.") from error
    except DBAPIError as error:
        _raise_ours(error)


def _raise_ours(error: DBAPIError) -> NoReturn:
    state, said = getattr(error.orig, "sqlstate", None) or "", _first_line(error)
    if state == "53100":
        raise StorageFull("There is no space left for the control plane's database.") from error
    if state in ("25006", "42501"):
        raise StoreNotWritable(
            f"The control plane's database cannot be written: {said}.",
            remedy="Name the primary server, and a role that owns the database.",
        ) from error
    if state.startswith(("58", "XX")):
        raise StorageIo(f"The control plane's database answered: {said}.") from error
    if isinstance(error, DataError):
        raise InvalidRequest(f"The database cannot keep this: {said}.", remedy="Change the text.") from error
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        raise DatabaseUnavailable(f"The control plane's database does not answer: {said}.") from error
    raise error


def _first_line(error: DBAPIError) -> str:
    """What was said, without statements, and without a password should one ever be in it."""
    first = (str(error.orig).splitlines() or ["nothing"])[0]
    return printable(re.sub(r"(?i)(password\s*=\s*|://[^:/@\s]*:)[^@\s]+", r"\1…", first), 300).rstrip(".")
