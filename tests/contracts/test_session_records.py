"""What every keeper of browsers' sessions does alike."""

from __future__ import annotations

from datetime import timedelta

from image_library.controlplane.ports.records import Database
from image_library.domain.session import Session
from tests.fakes.control_values import NOW

SHORT = Session(id="a", created_at=NOW, expires_at=NOW + timedelta(hours=1))
LONG = Session(id="b", created_at=NOW, expires_at=NOW + timedelta(days=1))


async def test_sessions_come_back_as_they_were_saved(database: Database) -> None:
    async with database.write() as records:
        await records.sessions.save(LONG)
        await records.sessions.save(SHORT)
    async with database.read() as records:
        assert await records.sessions.all() == [SHORT, LONG]


async def test_a_session_is_removed_and_an_unknown_one_is_no_matter(database: Database) -> None:
    async with database.write() as records:
        await records.sessions.save(SHORT)
        await records.sessions.remove("a")
        await records.sessions.remove("a")
        assert await records.sessions.all() == []


async def test_sessions_expire_at_their_time(database: Database) -> None:
    async with database.write() as records:
        await records.sessions.save(SHORT)
        await records.sessions.save(LONG)
        assert await records.sessions.expire(SHORT.expires_at) == 1
        assert await records.sessions.all() == [LONG]
