"""When publishers are asked by themselves: seldom, spread out, and not again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from image_library.controlplane.services.refresh_moves import RefreshResult
from image_library.controlplane.services.refresh_schedule import (
    BEFORE_FIRST_LOOK,
    BETWEEN_LOOKS,
    RefreshSchedule,
)
from image_library.domain.errors import StorageIo
from image_library.domain.image import Image
from image_library.domain.os_info import OsInfo
from tests.fakes.control_clock import settle
from tests.fakes.control_publishers import offered, sha512
from tests.fakes.control_refreshes import RefreshPlane
from tests.fakes.control_values import a_node, a_ready_image, an_evidence

DAY = timedelta(days=1)


def debian() -> Image:
    return a_ready_image(
        name="debian-12",
        catalog_id="debian-12",
        os=OsInfo(architecture="x86_64"),
        evidence=an_evidence(expected=sha512(1).hex, actual=sha512(1).hex),
    )


@asynccontextmanager
async def scheduled(plane: RefreshPlane, *, fetch: bool = False) -> AsyncGenerator[None]:
    schedule = RefreshSchedule(
        refreshes=plane.refreshes,
        clock=plane.clock,
        every=DAY,
        fetch=fetch,
        between=lambda least, most: (least + most) / 2,
    )
    task = asyncio.create_task(schedule.run())
    await settle()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def plane() -> AsyncGenerator[RefreshPlane]:
    made = RefreshPlane()
    yield made
    await made.close()


@pytest.fixture
async def held(plane: RefreshPlane) -> RefreshPlane:
    await plane.know(a_node(), debian())
    plane.publishers.offer(offered(2))
    return plane


async def test_the_first_look_is_a_while_after_the_start(held: RefreshPlane) -> None:
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[0])
        assert held.publishers.asked == []
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
        assert len(held.publishers.asked) == 1
    assert (await held.image("image-1")).newer == "sha512:000000000000…"
    assert held.nodes.journal == {}


async def test_a_publisher_is_not_asked_again_before_its_time(held: RefreshPlane) -> None:
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
        for _ in range(40):
            await held.clock.advance(BETWEEN_LOOKS[1])
        assert len(held.publishers.asked) == 1
        for _ in range(10):
            await held.clock.advance(BETWEEN_LOOKS[1])
        assert len(held.publishers.asked) == 2


async def test_a_restart_does_not_ask_again(held: RefreshPlane) -> None:
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
    assert len(held.publishers.asked) == 1


async def test_a_clock_that_was_ahead_does_not_keep_it_from_asking(held: RefreshPlane) -> None:
    held.clock.jump(days=400)
    await held.refreshes.refresh_due(DAY, dry_run=True)
    held.clock.jump(days=-400)
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
    assert len(held.publishers.asked) == 2


async def test_a_node_that_could_not_ask_is_no_reason_to_wait_a_day(held: RefreshPlane) -> None:
    held.publishers.away.add("node-1")
    async with scheduled(held):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
        held.publishers.away.clear()
        await held.clock.advance(BETWEEN_LOOKS[1])
    assert len(held.publishers.asked) == 2
    assert (await held.image("image-1")).newer


async def test_it_fetches_where_it_is_told_to(held: RefreshPlane) -> None:
    async with scheduled(held, fetch=True):
        await held.clock.advance(BEFORE_FIRST_LOOK[1])
        assert len(held.nodes.journal) == 1


class Broken:
    """Fulfils ``Refreshing`` and always fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    async def refresh_due(self, every: timedelta, *, dry_run: bool) -> tuple[RefreshResult, ...]:
        self.calls += 1
        raise self.error


@pytest.mark.parametrize("error", [StorageIo("The disk is gone."), RuntimeError("A fault.")])
async def test_a_look_that_fails_is_not_the_last_one(plane: RefreshPlane, error: Exception) -> None:
    broken = Broken(error)
    schedule = RefreshSchedule(refreshes=broken, clock=plane.clock, every=DAY, fetch=False)
    task = asyncio.create_task(schedule.run())
    await settle()
    await plane.clock.advance(BEFORE_FIRST_LOOK[1])
    await plane.clock.advance(BETWEEN_LOOKS[1])
    assert broken.calls == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
