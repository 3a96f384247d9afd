"""Bringing a database to the present tables: Alembic is loaded only where there is something to migrate."""

from __future__ import annotations

from pathlib import Path

import structlog
from sqlalchemy import Connection, insert, inspect, text

from image_library.controlplane.adapters.database.tables import HEAD, metadata, sequence
from image_library.domain.errors import SchemaTooNew

log = structlog.get_logger()
MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(connection: Connection) -> None:
    """Run the migrations that are missing, in the connection's transaction.

    Raises:
        SchemaTooNew: a newer version has written the database; it is left as it is.
    """
    found = stored_revision(connection)
    if found == HEAD:
        return
    if found:
        migrate(connection, before=found)
    else:
        _create(connection)
    log.info("database_migrated", before=found or "empty", after=HEAD)


def stored_revision(connection: Connection) -> str:
    """The revision of the last migration that was run; empty for a new database."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return "" if row is None else str(row[0])


def _create(connection: Connection) -> None:
    """All tables at once; a test proves that the migrations make the very same."""
    metadata.create_all(connection)
    connection.execute(insert(sequence).values(value=0, images=0))
    # As Alembic would make it.
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"
    connection.execute(text(f"CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, {key})"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": HEAD})


def migrate(connection: Connection, *, before: str) -> None:
    """Run the migrations after the revision ``before`` (empty: all), in the connection's transaction.

    Raises:
        SchemaTooNew: no migration is known by that name.
    """
    # Loading Alembic takes as long as starting all the rest.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before and before not in known:
        raise SchemaTooNew(f"The database has the form {before}, and this version knows {HEAD}.")
    command.upgrade(config, "head")
