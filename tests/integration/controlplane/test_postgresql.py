"""A real PostgreSQL server: its tables, its faults, its secrets, and who may write to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from image_library.controlplane.adapters.database.database import SqlDatabase, open_database
from image_library.controlplane.adapters.database.schema import migrate
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.services.image_pages import ImagePages
from image_library.domain.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    InvalidRequest,
    InvalidSettings,
    LibraryError,
    NameTaken,
    SchemaTooNew,
    StorageFull,
    StorageIo,
    StoreNotWritable,
)
from image_library.domain.paging import PageRequest
from tests.fakes.control_values import a_node, an_image
from tests.rpc.conftest import IMAGES, control_plane
from tests.support.postgres import Server, say

FORM = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
)
CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def url(postgres: Server) -> Generator[str]:
    with postgres.database() as made:
        yield made


async def keep(database: SqlDatabase, *node_ids: str) -> None:
    async with database.write() as records:
        for node_id in node_ids:
            await records.nodes.save(a_node(node_id))


async def cut_short(database: SqlDatabase, happening: Callable[[], None]) -> None:
    async with database.write() as records:
        await records.nodes.save(a_node("n2"))
        happening()


async def kept(database: SqlDatabase) -> list[str]:
    async with database.read() as records:
        return sorted(node.id for node in await records.nodes.all())


async def test_migrating_makes_the_very_tables_that_starting_makes(postgres: Server, url: str) -> None:
    async with open_database(url):
        started = [sorted(map(repr, say(url, query))) for query in FORM]
    with postgres.database() as other:
        engine = create_engine(other.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            migrate(connection, before="")
        engine.dispose()
        assert [sorted(map(repr, say(other, query))) for query in FORM] == started


async def test_texts_are_compared_by_code_points_whatever_the_servers_language(url: str) -> None:
    async with open_database(url):
        texts = say(
            url,
            "SELECT table_name, column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'character varying'"
            " AND table_name <> 'alembic_version'",
        )
    assert len(texts) > 30
    assert {collation for _, _, collation in texts} == {"C"}


async def test_a_newer_database_is_refused_and_left_alone(url: str) -> None:
    async with open_database(url) as database:
        await keep(database, "n1")
    say(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        async with open_database(url):
            pass
    assert say(url, "SELECT count(*) FROM nodes") == [(1,)]


async def test_what_was_written_is_there_after_a_restart_of_ours(url: str) -> None:
    async with open_database(url) as database:
        await keep(database, "n1")
        secret = await database.secret("pages")
    async with open_database(url) as database:
        assert await kept(database) == ["n1"]
        assert await database.secret("pages") == secret


async def test_a_crash_of_the_server_costs_what_was_not_committed_and_nothing_later(
    postgres: Server, url: str
) -> None:
    if postgres.own is None:
        pytest.skip("the named server is not ours to crash")
    async with open_database(url) as database:
        await keep(database, "n1")
        with pytest.raises(DatabaseUnavailable):
            await cut_short(database, postgres.own.crash)
        with pytest.raises(DatabaseUnavailable):
            await kept(database)
        postgres.own.start()
        assert await kept(database) == ["n1"]
        await keep(database, "n3")
        assert await kept(database) == ["n1", "n3"]
        assert await database.sequence() == 2


async def test_connections_that_are_cut_off_while_idle_cost_nobody_an_error(url: str) -> None:
    async with open_database(url) as database:
        await keep(database, "n1")
        assert await kept(database) == ["n1"]
        say(url, CUT_OFF)
        assert await kept(database) == ["n1"]
        await keep(database, "n2")
        assert await kept(database) == ["n1", "n2"]


async def test_a_second_control_plane_is_refused_until_the_first_has_gone(url: str) -> None:
    async with open_database(url) as first:
        with pytest.raises(DatabaseBusy):
            async with open_database(url):
                pass
        await keep(first, "n1")
    async with open_database(url) as second:
        assert await kept(second) == ["n1"]


async def test_who_lost_the_database_to_another_reads_but_does_not_write(url: str) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_database(url))
        await keep(first, "n1")
        say(url, CUT_OFF)
        second = await stack.enter_async_context(open_database(url))
        with pytest.raises(DatabaseBusy):
            await keep(first, "n2")
        await keep(second, "n3")
        assert await kept(first) == ["n1", "n3"]
        assert await first.sequence() == await second.sequence()


async def test_a_change_by_another_connection_is_seen_at_once(url: str) -> None:
    async with open_database(url) as database:
        pages = ImagePages(database)
        async with database.write() as records:
            await records.images.save(an_image("one", name="before"))
        assert [i.name for i in (await pages.list(ImageFilter(), PageRequest())).items] == ["before"]
        say(
            url,
            """UPDATE images SET document = jsonb_set(document, '{name}', '"after"')""",
            "UPDATE sequence SET value = value + 1, images = value + 1",
        )
        assert [i.name for i in (await pages.list(ImageFilter(), PageRequest())).items] == ["after"]


async def test_a_refused_name_does_not_end_the_transaction(url: str) -> None:
    async with open_database(url) as database:
        async with database.write() as records:
            await records.images.save(an_image("one", name="golden"))
            with pytest.raises(NameTaken):
                await records.images.save(an_image("two", name="golden"))
            await records.images.save(an_image("three", name="silver"))
        async with database.read() as records:
            assert sorted(await records.images.names()) == ["golden", "silver"]


async def test_a_reader_cannot_change_anything(url: str) -> None:
    async with open_database(url) as database:
        with pytest.raises(StoreNotWritable):
            async with database.read() as records:
                await records.nodes.save(a_node("n1"))
        assert await kept(database) == []


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("40001", DatabaseUnavailable),
        ("40P01", DatabaseUnavailable),
        ("57014", DatabaseUnavailable),
        ("53300", DatabaseUnavailable),
        ("53100", StorageFull),
        ("58030", StorageIo),
        ("XX001", StorageIo),
        ("25006", StoreNotWritable),
        ("42501", StoreNotWritable),
    ],
)
async def test_what_the_server_refuses_has_a_name(url: str, state: str, error: type[LibraryError]) -> None:
    async with open_database(url) as database:
        say(
            url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = '{state}'; END $$",
            "CREATE TRIGGER refused BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        with pytest.raises(error):
            await keep(database, "n1")
        say(url, "DROP TRIGGER refused ON nodes")
        await keep(database, "n2")
        assert await kept(database) == ["n2"]


async def test_a_text_that_it_cannot_keep_is_the_callers_to_change(url: str) -> None:
    async with open_database(url) as database:
        with pytest.raises(InvalidRequest, match="NUL"):
            async with database.read() as records:
                await records.images.list(ImageFilter(search="a\0b"), PageRequest())
        with pytest.raises(InvalidRequest):
            async with database.write() as records:
                await records.images.save(an_image("one", labels={"a": "\0"}))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("tester:", "nobody-knows:"), DatabaseUnavailable),
        (("127.0.0.1:", "127.0.0.1:1"), DatabaseUnavailable),
        (("127.0.0.1:", "127.0.0.1:x"), InvalidSettings),
        (("/test_", "/no_such_"), DatabaseUnavailable),
        (("/test_", "/test_x?colour=green&password=s3cret&x="), InvalidSettings),
    ],
)
async def test_a_url_that_leads_nowhere_is_told_without_its_password(
    postgres: Server, change: tuple[str, str], error: type[LibraryError]
) -> None:
    if postgres.own is None:
        pytest.skip("the named server may let everybody in")
    with postgres.database() as made:
        wrong = made.replace("tester:", "tester:s3cret") if "tester" not in change[0] else made
        wrong = wrong.replace(*change)
        password = wrong.partition("@")[0].rpartition(":")[2]
        with pytest.raises(error) as refused:
            async with open_database(wrong):
                pass
    said = f"{refused.value} {refused.value.__cause__!r}"
    assert password not in said
    assert "s3cret" not in said


def test_without_psycopg_it_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "sys.modules['psycopg'] = None\n"
        "from image_library.controlplane.adapters.database.database import open_database\n"
        "async def main():\n"
        "    async with open_database('postgresql://box/library'): pass\n"
        "try: asyncio.run(main())\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    environment = {"PYTHONPATH": "src"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert "InvalidSettings" in done.stdout
    assert "limiquantix-image-library[postgresql]" in done.stdout


async def test_a_control_plane_serves_from_it(url: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"database_url": url}
    async with control_plane(tmp_path / "one", **settings) as call:
        assert await call(f"{IMAGES}/ListImages") == {}
        assert not (tmp_path / "one/controlplane.db").exists()
        with pytest.raises(DatabaseBusy):
            async with control_plane(tmp_path / "two", **settings):
                pass
    async with control_plane(tmp_path / "two", **settings) as call:
        assert await call(f"{IMAGES}/ListImages") == {}
