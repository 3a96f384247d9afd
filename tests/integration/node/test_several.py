"""One image over several connections: where it helps, and whatever goes wrong with one of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.job import JobState
from image_library.domain.store import DownloadOrder
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.several import SeveralRules
from image_library.node.adapters.fetcher.spans import left
from image_library.node.adapters.fetcher.traffic import Traffic
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import QUICK, Workbench, content, order, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Exchange, Mirror

ROOT = Path(__file__).parents[3]
KIB, MIB = 1 << 10, 1 << 20
# What one connection gets of the server.
SLOW = faults.Throttle(6 * MIB)
IMAGE = Qcow2().file(8 * MIB, seed=1)
OTHER = Qcow2().file(8 * MIB, seed=2)
PATH = "cloud.example.org/disk.qcow2"
# Others are tried at once, and kept whatever they bring: how fast this machine is decides nothing.
EAGER = SeveralRules(
    window=0.05,
    windows=10_000,
    gain=0.0,
    steady=1.0,
    busy=1e6,
    least_left=MIB,
    least_seconds=0.0,
    smallest=512 * KIB,
    largest=MIB,
)


def ordered(mirror: Mirror, image: bytes = IMAGE, path: str = PATH) -> DownloadOrder:
    mirror.put(path, image)
    digest = hashlib.sha256(image).hexdigest()
    return order(
        path.rpartition("/")[2],
        url=mirror.url(path),
        checksum_url="",
        checksum_algorithm="sha256",
        digest=digest,
    )


def parts(bench: Workbench) -> list[str]:
    return [path.name for path in bench.layout.parts.iterdir()]


def further(mirror: Mirror) -> list[Exchange]:
    """The requests for a piece of the file."""
    return [e for e in mirror.exchanges(PATH) if e.range and not e.range.endswith("-")]


async def fetched(bench: Workbench, wanted: DownloadOrder, image: bytes = IMAGE) -> None:
    done = await bench.finish(wanted)
    assert done.published is not None, done.failure
    assert content(done.published.blob_path) == image
    assert parts(bench) == []


async def test_four_are_read_at_once(tmp_path: Path, mirror: Mirror) -> None:
    wanted, hold = ordered(mirror), faults.HoldAt(100 * KIB, skip=1)
    mirror.fault(PATH, SLOW, hold)
    async with workbench(tmp_path, several=EAGER) as bench:
        await bench.downloads.start(wanted)
        # None of the others can end before it is let go.
        await asyncio.to_thread(mirror.wait_for_requests, PATH, 4)
        assert not any(exchange.ended for exchange in mirror.exchanges(PATH))
        hold.release()
        await fetched(bench, wanted)
        assert len(further(mirror)) >= 4


@pytest.mark.parametrize(("most", "of_host", "together"), [(2, 4, 2), (3, 0, 3), (4, 2, 2), (4, 1, 1)])
async def test_no_more_than_the_setting_and_the_hosts_limit_allow(
    tmp_path: Path, mirror: Mirror, most: int, of_host: int, together: int
) -> None:
    wanted, hold = ordered(mirror), faults.HoldAt(100 * KIB, skip=1)
    mirror.fault(PATH, SLOW, hold)
    traffic = Traffic(SystemClock(), per_host=of_host)
    async with workbench(tmp_path, several=replace(EAGER, connections=most), traffic=traffic) as bench:
        await bench.downloads.start(wanted)
        if together > 1:
            # The first ends where the others began, and another takes its place; by then all have begun.
            await asyncio.to_thread(mirror.wait_for_requests, PATH, together + 1)
            assert len(mirror.exchanges(PATH)) == together + 1
            hold.release()
        await fetched(bench, wanted)
        assert (len(mirror.exchanges(PATH)) > 1) == (together > 1)


REFUSALS = {
    "429": faults.Status(429, retry_after="60", skip=1),
    "503": faults.Status(503, skip=1),
    "403": faults.Status(403, skip=1),
    "404": faults.Status(404, skip=1),
    "dropped": faults.Drop(skip=1),
    "the whole file": faults.IgnoreRange(skip=1),
    "another part": faults.WrongContentRange(skip=1),
    "another total": faults.WrongTotal(len(IMAGE) + 1, skip=1),
    "another validator": faults.ChangedETag(skip=1),
    "another file": faults.Replace(OTHER, skip=1),
    "a redirect inside": faults.Redirect("http://10.1.2.3/x", skip=1),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_leaves_the_first_connection_alone(
    tmp_path: Path, mirror: Mirror, refusal: faults.Fault
) -> None:
    wanted = ordered(mirror)
    mirror.fault(PATH, SLOW, refusal)
    async with workbench(tmp_path, several=EAGER) as bench:
        told = [download async for download in bench.downloads.follow((await started(bench, wanted)).job_id)]
        assert told[-1].state is JobState.READY, told[-1].failure
        # Nobody heard of it.
        assert {download.waiting_for for download in told} == {""}
        first, *others = mirror.exchanges(PATH)
        assert first.sent == len(IMAGE)
        assert others
        # Nor is the host tried again so soon.
        mirror.heal(PATH)
        again = ordered(mirror, OTHER, "cloud.example.org/other.qcow2")
        mirror.fault("cloud.example.org/other.qcow2", SLOW)
        await fetched(bench, again, OTHER)
        assert len(mirror.exchanges("cloud.example.org/other.qcow2")) == 1


async def started(bench: Workbench, wanted: DownloadOrder) -> DownloadOrder:
    await bench.downloads.start(wanted)
    return wanted


BREAKS = {
    "cut": faults.CutAfter(300 * KIB, skip=1, times=1),
    "reset": faults.CutAfter(300 * KIB, reset=True, skip=2, times=1),
    "stalled": faults.StallAfter(300 * KIB, skip=1, times=1),
    "wrong bytes once": faults.Corrupt(2 * MIB, length=4 * MIB, skip=1, times=2),
    "wrong part later": faults.WrongContentRange(skip=3),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
async def test_one_that_breaks_costs_no_more_than_itself(
    tmp_path: Path, mirror: Mirror, broken: faults.Fault
) -> None:
    wanted = ordered(mirror)
    mirror.fault(PATH, SLOW, broken)
    patient = replace(QUICK, patience=120.0)
    async with workbench(tmp_path, several=replace(EAGER, windows=20), rules=patient) as bench:
        await fetched(bench, wanted)


async def test_more_that_bring_nothing_more_are_given_up(tmp_path: Path, mirror: Mirror) -> None:
    wanted = ordered(mirror)
    mirror.fault(PATH, SLOW)
    rules = replace(EAGER, gain=1e9, windows=3)
    async with workbench(tmp_path, several=rules) as bench:
        await fetched(bench, wanted)
        # One was tried; what it brought is used.
        assert len(further(mirror)) == 1
        assert mirror.bytes_sent(PATH) < len(IMAGE) + 4 * MIB


async def test_what_no_digest_proves_comes_in_one_piece(tmp_path: Path, mirror: Mirror) -> None:
    # By way of the mirror: over http from anywhere else nothing comes that no digest proves.
    wanted = replace(ordered(mirror), url=f"https://{PATH}", digest="", unverified=True)
    mirror.fault(PATH, SLOW)
    async with workbench(tmp_path, mirror=mirror.base_url, several=EAGER) as bench:
        await fetched(bench, wanted)
        assert len([e for e in mirror.exchanges(PATH) if e.method == "GET"]) == 1


async def test_downloads_that_share_a_host_have_one_each(tmp_path: Path, mirror: Mirror) -> None:
    one, two = ordered(mirror), ordered(mirror, OTHER, "cloud.example.org/other.qcow2")
    hold = faults.HoldAt(4 * MIB)
    for wanted in (one, two):
        mirror.fault(wanted.url.removeprefix(f"{mirror.base_url}/"), SLOW, hold)
    async with workbench(tmp_path, several=replace(EAGER, window=0.3)) as bench:
        for wanted in (one, two):
            await bench.downloads.start(wanted)
        await asyncio.to_thread(mirror.wait_for_bytes, PATH, 4 * MIB)
        assert len(mirror.exchanges()) == 2
        hold.release()
        for wanted in (one, two):
            assert (await bench.ended(wanted.job_id)).state is JobState.READY


async def test_a_cancelled_download_goes_on_with_what_came_early(tmp_path: Path, mirror: Mirror) -> None:
    wanted = ordered(mirror)
    mirror.fault(PATH, SLOW)
    async with workbench(tmp_path, several=EAGER) as bench:
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: len(parts(bench)) > 2)
        await bench.downloads.cancel(wanted.job_id)
        # The part, and what came early for it.
        assert len(parts(bench)) > 2
        await fetched(bench, replace(wanted, job_id=str(uuid.uuid4())))
        assert mirror.bytes_sent(PATH) < 2 * len(IMAGE)


async def test_after_a_power_cut_nothing_early_is_believed(tmp_path: Path, mirror: Mirror) -> None:
    wanted = ordered(mirror)
    mirror.fault(PATH, SLOW)
    async with workbench(tmp_path, several=EAGER) as bench:
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: len(parts(bench)) > 2)
        await bench.downloads.cancel(wanted.job_id)
        # The machine has started anew, and the files are not what they were.
        known = "UPDATE parts SET boot_id = 'before', durable = 65536"
        await bench.journal.run(lambda c: c.execute(known))
        for path in bench.layout.parts.glob("*.part.*"):
            path.write_bytes(bytes(path.stat().st_size))
        before = len(mirror.exchanges(PATH))
        await fetched(bench, replace(wanted, job_id=str(uuid.uuid4())))
        # Wrong bytes would have been found in the end, and all fetched again from the first.
        later = mirror.exchanges(PATH)[before:]
        assert later[0].range == "bytes=65536-"
        assert all(exchange.range for exchange in later)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.fakes.node_workbench import workbench
from tests.integration.node.test_several import EAGER, ordered_at

async def fetch(data: str, url: str) -> None:
    async with workbench(Path(data), several=EAGER) as bench:
        await bench.finish(ordered_at(url))

asyncio.run(fetch(*sys.argv[1:]))
"""


def ordered_at(url: str) -> DownloadOrder:
    digest = hashlib.sha256(IMAGE).hexdigest()
    return order("disk.qcow2", url=url, checksum_url="", checksum_algorithm="sha256", digest=digest)


def offset_of(name: str) -> int:
    """Of the part, or of what came early for it."""
    return int(name.partition(".part")[2].removeprefix(".") or 0)


def lacking(data: Path, mirror: Mirror) -> int:
    """Bytes that were sent and are in no file."""
    found = [(offset_of(path.name), path.stat().st_size) for path in (data / "parts").iterdir()]
    kept = len(IMAGE) - left(0, [(begin, begin + size) for begin, size in found], len(IMAGE))
    return mirror.bytes_sent(PATH) - kept


def held(mirror: Mirror) -> int:
    return sum(exchange.sent == 300 * KIB for exchange in mirror.exchanges(PATH))


async def test_g5_a_kill_costs_less_than_a_mebibyte(tmp_path: Path, mirror: Mirror) -> None:
    ordered(mirror)
    # All that come after the first stop there, and their reader cannot know that nothing more comes.
    mirror.fault(PATH, SLOW, faults.HoldAt(300 * KIB, skip=1))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), mirror.url(PATH)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as child:  # noqa: ASYNC220 - ends below
        await asyncio.to_thread(mirror.wait_for_requests, PATH, 5)
        async with asyncio.timeout(60):
            while (wasted := lacking(tmp_path, mirror)) >= MIB or held(mirror) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        child.kill()
    print(f"{wasted >> 10} KiB of {mirror.bytes_sent(PATH) >> 10} are lost")
    mirror.heal(PATH)
    async with workbench(tmp_path, several=replace(EAGER, connections=1)) as bench:
        done = await bench.finish(ordered_at(mirror.url(PATH)))
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE
        assert parts(bench) == []
