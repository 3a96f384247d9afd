"""The schema: what starting makes, what migrating makes, and what is refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.database.schema import MIGRATIONS, migrate
from image_library.controlplane.adapters.database.tables import HEAD
from image_library.domain.errors import SchemaTooNew, StorageIo, StoreNotWritable
from tests.fakes.control_values import a_node


def columns_and_indexes(path: Path) -> set[tuple[object, ...]]:
    """Everything that the database's form consists of, but for the wording of its statements."""
    found: set[tuple[object, ...]] = set()
    with closing(sqlite3.connect(path)) as raw, raw:
        tables = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            found |= {(table, *row[1:]) for row in raw.execute(f"PRAGMA table_info({table})")}
            found |= {(table, "fk", *row[2:]) for row in raw.execute(f"PRAGMA foreign_key_list({table})")}
            for _, name, unique, origin, _ in raw.execute(f"PRAGMA index_list({table})").fetchall():
                members = tuple(row[2] for row in raw.execute(f"PRAGMA index_info({name})"))
                found.add((table, "index", unique, origin, members))
    raw.close()
    return found


async def test_migrating_makes_the_very_tables_that_starting_makes(tmp_path: Path) -> None:
    async with open_database(tmp_path / "started.db"):
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection, before="")
    engine.dispose()
    assert columns_and_indexes(tmp_path / "migrated.db") == columns_and_indexes(tmp_path / "started.db")


def test_the_newest_migration_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "controlplane.db"
    async with open_database(path) as database, database.write() as records:
        await records.nodes.save(a_node())
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        async with open_database(path):
            pass
    with closing(sqlite3.connect(path)) as raw, raw:
        assert raw.execute("SELECT count(*) FROM nodes").fetchone() == (1,)
    raw.close()


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "controlplane.db"
    async with open_database(path) as database:
        async with database.write() as records:
            await records.nodes.save(a_node())
        secret = await database.secret("pages")
    async with open_database(path) as database:
        async with database.read() as records:
            assert await records.nodes.get("node-1") == a_node()
        assert await database.secret("pages") == secret


async def test_a_commit_survives_a_power_cut(tmp_path: Path) -> None:
    """The settings that make it so; losing power itself is for the fault tests."""
    async with open_database(tmp_path / "c.db") as database:
        assert await database.pragmas("journal_mode", "synchronous", "foreign_keys", "busy_timeout") == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5000,
        }


def test_an_up_to_date_database_is_opened_without_alembic(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from image_library.controlplane.adapters.database.database import open_database\n"
        "async def main():\n"
        "    for _ in range(2):\n"
        f"        async with open_database(Path({str(tmp_path / 'c.db')!r})): pass\n"
        "asyncio.run(main())\n"
        "sys.exit('alembic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, env={"PYTHONPATH": "src"}, timeout=60)
    assert done.returncode == 0


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "controlplane.db"
    path.write_bytes(b"this is not a database, and it is long enough to be seen" * 20)
    with pytest.raises(StorageIo, match="not a database"):
        async with open_database(path):
            pass


async def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreNotWritable):
        async with open_database(tmp_path / "no" / "controlplane.db"):
            pass
