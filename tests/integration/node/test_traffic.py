"""How much a node asks of one host at once, when it lets it be, and how fast it reads altogether."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.job import JobState
from image_library.domain.store import DownloadOrder
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.traffic import Traffic
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import QUICK, order, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGES = [Qcow2().file(3 * MIB, seed=seed) for seed in range(6)]
PATHS = [f"host/{number}.qcow2" for number in range(len(IMAGES))]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Mirror]:
    """Another host."""
    with Mirror(tmp_path / "other") as other:
        yield other


def filled(mirror: Mirror) -> Callable[[int], DownloadOrder]:
    for path, image in zip(PATHS, IMAGES, strict=True):
        mirror.put(path, image)

    def ordered(number: int) -> DownloadOrder:
        digest = hashlib.sha256(IMAGES[number]).hexdigest()
        return order(
            f"{number}.qcow2",
            url=mirror.url(PATHS[number]),
            checksum_url="",
            checksum_algorithm="sha256",
            digest=digest,
        )

    return ordered


async def test_no_host_is_asked_for_more_at_once_than_the_limit(
    tmp_path: Path, mirror: Mirror, other: Mirror
) -> None:
    one, elsewhere = filled(mirror), filled(other)
    hold = faults.HoldAt(MIB)
    for path in PATHS:
        mirror.fault(path, hold)
    traffic = Traffic(SystemClock(), per_host=2)
    async with workbench(tmp_path / "data", traffic=traffic) as bench:
        orders = [one(number) for number in range(5)]
        for wanted in orders:
            await bench.downloads.start(wanted)
        told = await bench.until(orders[4].job_id, lambda d: bool(d.waiting_for))
        host = mirror.base_url.removeprefix("http://")
        assert told.waiting_for == f"2 downloads from {host} are under way; this one is next."
        # Another host is none of their business.
        assert (await bench.finish(elsewhere(5))).state is JobState.READY
        assert len(mirror.exchanges()) == 2
        hold.release()
        ends = [await bench.ended(wanted.job_id) for wanted in orders]
        assert {end.state for end in ends} == {JobState.READY}


async def test_f22_what_a_host_asks_of_one_job_holds_for_all_of_that_host_and_no_other(
    tmp_path: Path, mirror: Mirror, other: Mirror
) -> None:
    one, elsewhere = filled(mirror), filled(other)
    mirror.fault(PATHS[0], faults.Status(429, retry_after="2", times=1))
    async with workbench(tmp_path / "data") as bench:
        first, second = one(0), one(1)
        await bench.downloads.start(first)
        await bench.until(first.job_id, lambda d: bool(d.waiting_for))
        asked = time.monotonic()
        await bench.downloads.start(second)
        told = await bench.until(second.job_id, lambda d: bool(d.waiting_for))
        assert "is left alone until" in told.waiting_for
        assert (await bench.finish(elsewhere(2))).state is JobState.READY
        assert len(mirror.exchanges(PATHS[1])) == 0
        ends = [await bench.ended(wanted.job_id) for wanted in (first, second)]
        assert {end.state for end in ends} == {JobState.READY}
        assert time.monotonic() - asked > 1


async def test_f24_a_host_that_fails_everybody_is_asked_seldom(
    tmp_path: Path, mirror: Mirror, other: Mirror
) -> None:
    one, elsewhere = filled(mirror), filled(other)
    for path in PATHS:
        mirror.fault(path, faults.Status(500))
    rules = replace(QUICK, attempts=30, first_wait=0.02, longest_wait=0.4, within=2.0)
    async with workbench(tmp_path / "data", rules=rules) as bench:
        orders = [one(number) for number in range(5)]
        for wanted in orders:
            await bench.downloads.start(wanted)
        assert (await bench.finish(elsewhere(5))).state is JobState.READY
        ends = [await bench.ended(wanted.job_id) for wanted in orders]
        assert {end.failure.code for end in ends if end.failure} == {"import.unreachable"}
        # Each alone would have asked a dozen times.
        assert len(mirror.exchanges()) < 45


async def test_the_node_reads_no_faster_than_its_limit_and_shares_it_fairly(
    tmp_path: Path, mirror: Mirror, other: Mirror
) -> None:
    one, elsewhere = filled(mirror), filled(other)
    traffic = Traffic(SystemClock(), bytes_per_second=4 * MIB)
    async with workbench(tmp_path / "data", traffic=traffic) as bench:
        began = time.monotonic()
        took: list[float] = []

        async def timed(wanted: DownloadOrder) -> None:
            assert (await bench.finish(wanted)).state is JobState.READY
            took.append(time.monotonic() - began)

        spent = time.process_time()
        await asyncio.gather(timed(one(0)), timed(elsewhere(1)))
        spent = time.process_time() - spent
        # 6 MiB at 4 MiB/s; each gets half of it, so that they end together.
        assert min(took) > 1.0
        assert max(took) < 1.5 * min(took)
        assert spent < max(took)
