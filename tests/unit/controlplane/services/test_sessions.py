"""Sessions of browsers: what they are worth, for how long, and what is kept of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.services.sessions import Sessions
from image_library.domain.errors import Unauthenticated
from image_library.domain.session import LINK_LIFE, SESSION_LIFE
from tests.fakes.control_clock import ManualClock

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def sessions(database: MemoryDatabase, clock: ManualClock, token: str = "t") -> Sessions:
    return Sessions(database=database, clock=clock, token=token)


async def test_a_session_lasts_its_time_and_no_longer() -> None:
    clock = ManualClock()
    desk = sessions(MemoryDatabase(), clock)
    secret = await desk.begin()
    assert desk.holds(secret)
    assert not desk.holds(secret + "x")
    clock.jump(days=(SESSION_LIFE - SECOND) / DAY)
    assert desk.holds(secret)
    clock.jump(days=SECOND / DAY)
    assert not desk.holds(secret)


async def test_a_session_outlives_a_restart_but_not_a_new_token() -> None:
    database, clock = MemoryDatabase(), ManualClock()
    secret = await sessions(database, clock).begin()
    again, other = sessions(database, clock), sessions(database, clock, "another")
    await again.load()
    await other.load()
    assert again.holds(secret)
    assert not other.holds(secret)


async def test_who_reads_the_database_cannot_sign_in() -> None:
    database = MemoryDatabase()
    desk = sessions(database, ManualClock())
    secret = await desk.begin()
    async with database.read() as records:
        [kept] = await records.sessions.all()
    assert secret not in repr(kept)
    assert not desk.holds(kept.id)


async def test_signing_out_is_for_good() -> None:
    database, clock = MemoryDatabase(), ManualClock()
    desk = sessions(database, clock)
    secret = await desk.begin()
    await desk.end(secret)
    await desk.end("nobody's")
    again = sessions(database, clock)
    await again.load()
    assert not desk.holds(secret)
    assert not again.holds(secret)


async def test_old_sessions_are_forgotten() -> None:
    database, clock = MemoryDatabase(), ManualClock()
    desk = sessions(database, clock)
    await desk.begin()
    clock.jump(days=SESSION_LIFE / DAY)
    await desk.begin()
    async with database.read() as records:
        assert len(await records.sessions.all()) == 1


def test_a_link_works_once_and_soon() -> None:
    clock = ManualClock()
    desk = sessions(MemoryDatabase(), clock)
    code, late = desk.new_link(), desk.new_link()
    desk.use_link(code)
    for refused in (code, "guessed"):
        with pytest.raises(Unauthenticated):
            desk.use_link(refused)
    clock.jump(days=LINK_LIFE / DAY)
    with pytest.raises(Unauthenticated):
        desk.use_link(late)
