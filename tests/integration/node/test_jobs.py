"""Many jobs, one version: joined, followed, cancelled, remembered."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from image_library.domain.errors import UnknownJob
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.trust import TrustLevel
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, content, order, publish, workbench
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt, Throttle

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
URL = f"{PUBLISHER}/disk.qcow2"


async def test_twenty_at_once_fetch_once(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await asyncio.gather(*(bench.finish(order()) for _ in range(20)))
        assert {download.state for download in done} == {JobState.READY}
        assert len({download.order.job_id for download in done}) == 20
        assert len(mirror.exchanges(URL)) == 1
        assert [path.name for path in bench.layout.cloud_images.glob("[!.]*")] == ["disk.qcow2"]


async def test_the_same_job_twice_is_one_job(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        first = await bench.finish(wanted)
        assert await bench.finish(wanted) == first
        assert len(mirror.exchanges(URL)) == 1


async def test_what_is_here_is_not_fetched_again_and_its_evidence_grows(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await bench.finish(order())
        pinned = order(checksum_url="", checksum_algorithm="sha256", digest=hashlib.sha256(IMAGE).hexdigest())
        again = await bench.finish(pinned)
        assert again.published is not None
        assert again.published.evidence.level is TrustLevel.PINNED
        assert len(mirror.exchanges(URL)) == 1
        less = await bench.finish(order())
        assert less.published is not None
        assert less.published.evidence.level is TrustLevel.CHECKSUM
        kept = await bench.store.find(less.published.digest)
        assert kept.evidence.level is TrustLevel.PINNED


async def test_what_is_here_is_not_taken_for_another_format(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await bench.finish(order())
        failed = await bench.finish(order(format=ImageFormat.RAW))
        assert failed.failure is not None
        assert failed.failure.code == "image.format_mismatch"


async def test_one_cancelled_does_not_stop_the_others(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    hold = HoldAt(2 * MIB)
    mirror.fault(URL, hold)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        one, other = order(), order()
        await bench.downloads.start(one)
        await bench.downloads.start(other)
        await bench.until(one.job_id, lambda d: d.progress.done >= 2 * MIB)
        cancelled = await bench.downloads.cancel(one.job_id)
        assert cancelled.state is JobState.CANCELLED
        assert (await bench.ended(one.job_id)).state is JobState.CANCELLED
        hold.release()
        assert (await bench.ended(other.job_id)).state is JobState.READY
        assert (await bench.downloads.status(one.job_id)).state is JobState.CANCELLED


async def test_a_cancelled_download_keeps_its_bytes_for_the_next(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, HoldAt(2 * MIB, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done >= 2 * MIB)
        assert (await bench.downloads.cancel(wanted.job_id)).state is JobState.CANCELLED
        assert not list(bench.layout.cloud_images.glob("[!.]*"))
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE
        assert mirror.exchanges(URL)[-1].range == f"bytes={2 * MIB}-"


async def test_cancelling_what_has_ended_gives_its_result(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert await bench.downloads.cancel(done.order.job_id) == done


async def test_an_unknown_job_is_named(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        with pytest.raises(UnknownJob, match="no-such-job"):
            await bench.downloads.status("no-such-job")
        with pytest.raises(UnknownJob):
            await bench.downloads.cancel("no-such-job")


async def test_progress_only_grows_and_is_told_at_most_five_times_a_second(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, Throttle(3 * MIB))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        began = asyncio.get_running_loop().time()
        await bench.downloads.start(wanted)
        seen = [download async for download in bench.downloads.follow(wanted.job_id)]
        took = asyncio.get_running_loop().time() - began
        done = [download.progress.done for download in seen]
        fetching = [d for d in seen if d.state is JobState.FETCHING]
        assert done == sorted(done)
        assert done[-1] == len(IMAGE)
        assert any(d.progress.speed > 0 and d.progress.eta_seconds > 0 for d in fetching)
        assert len(fetching) <= took * 5 + 3
        states = list(dict.fromkeys(d.state for d in seen))
        assert states[-1] is JobState.READY
        assert states.index(JobState.FETCHING) < states.index(JobState.READY)


async def test_a_stopped_node_goes_on_and_finished_jobs_are_remembered(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, HoldAt(2 * MIB, times=1))
    wanted, data = order(), tmp_path / "data"
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done >= 2 * MIB)
    async with workbench(data, mirror=mirror.base_url) as bench:
        done = await bench.ended(wanted.job_id)
        assert done.published is not None, done.failure
    async with workbench(data, mirror=mirror.base_url) as bench:
        remembered = await bench.downloads.status(wanted.job_id)
        assert (remembered.state, remembered.published) == (done.state, done.published)
        assert len(mirror.exchanges(URL)) == 2


async def test_followers_hear_an_end_that_cannot_be_written_down(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    hold = HoldAt(2 * MIB)
    mirror.fault(URL, hold)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done >= 2 * MIB)
        await bench.journal.run(lambda c: c.execute("ALTER TABLE downloads RENAME TO lost"))
        hold.release()
        async with asyncio.timeout(10):
            failed = await bench.ended(wanted.job_id)
        assert failed.failure is not None
        assert failed.failure.code == "storage.io_error"
        assert (await bench.downloads.cancel(wanted.job_id)) == failed
