"""Images of which nothing is known beforehand: taken as they come, measured, and never called verified."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.job import JobState
from image_library.domain.store import Download, DownloadOrder
from image_library.domain.trust import TrustLevel
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
OTHER = Qcow2().file(3 * MIB, seed=7)
URL = f"{PUBLISHER}/disk.qcow2"


def unverified(**changes: Any) -> DownloadOrder:
    return order(checksum_url="", checksum_algorithm="sha256", unverified=True, **changes)


def failed_with(download: Download) -> str:
    assert download.failure is not None, download.state
    return download.failure.code


async def test_what_came_is_measured_and_unverified(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(unverified())
        assert done.published is not None, done.failure
        proof = done.published.evidence
        assert (proof.level, proof.algorithm, proof.expected) == (TrustLevel.UNVERIFIED, "sha256", "")
        assert proof.actual == hashlib.sha256(IMAGE).hexdigest()
        assert done.published.digest == f"sha256:{proof.actual}"
        assert (proof.source, proof.node_id) == ("", bench.node_id)
        assert content(done.published.blob_path) == IMAGE


async def test_a_later_proof_counts_more(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await bench.finish(unverified())
        proved = await bench.finish(order(checksum_url=f"{PUBLISHER}/SUMS", checksum_algorithm="sha512"))
        assert proved.published is not None, proved.failure
        assert proved.published.evidence.level is TrustLevel.CHECKSUM
        again = await bench.finish(unverified())
        assert again.published is not None
        assert again.published.evidence.level is TrustLevel.UNVERIFIED
        kept = await bench.store.find(again.published.digest)
        assert kept.evidence.level is TrustLevel.CHECKSUM


async def test_plain_http_is_not_believed(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    async with workbench(tmp_path / "data") as bench:
        assert failed_with(await bench.finish(unverified(url=mirror.url(URL)))) == "import.url_scheme"
        assert mirror.exchanges(URL) == []


async def test_what_is_no_image_is_refused_all_the_same(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, Qcow2(backing_file=b"/etc/shadow").file())
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert failed_with(await bench.finish(unverified())) == "image.unsafe.backing_file"


@pytest.mark.parametrize(
    ("fault", "ranges"),
    [
        pytest.param((), [False, True], id="strong validator"),
        pytest.param((faults.WeakETag(),), [False, False], id="weak validator"),
        pytest.param((faults.NoValidators(),), [False, False], id="no validator"),
        pytest.param((faults.ChangedETag(),), [False, True], id="validator changes"),
    ],
)
async def test_a_cut_is_gone_on_from_only_with_a_strong_validator(
    tmp_path: Path, mirror: Mirror, fault: tuple[faults.Fault, ...], ranges: list[bool]
) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.CutAfter(MIB, times=1), faults.Throttle(8 * MIB, times=1), *fault)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(unverified())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE
        assert [e.range is not None for e in mirror.exchanges(URL)] == ranges


async def test_a_rest_that_does_not_name_its_file_is_not_taken(tmp_path: Path, mirror: Mirror) -> None:
    """A server that ignores If-Range sends the rest of another file; nothing would notice it."""
    mirror.put(URL, IMAGE)
    cut = faults.CutAfter(MIB, times=1), faults.Throttle(8 * MIB, times=1)
    silent = faults.NoValidators(times=1, skip=1)
    mirror.fault(URL, *cut, faults.IgnoreIfRange(), silent)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(unverified())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE
        assert [e.range is not None for e in mirror.exchanges(URL)] == [False, True, False]


async def test_a_file_that_changed_between_two_starts_is_not_mixed(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.HoldAt(2 * MIB, times=1))
    wanted, data = unverified(), tmp_path / "data"
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done >= 2 * MIB)
    mirror.put(URL, OTHER)
    async with workbench(data, mirror=mirror.base_url) as bench:
        done = await bench.ended(wanted.job_id)
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == OTHER


async def test_without_a_length_the_size_is_asked_for(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.NoLength(times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(unverified())
        assert done.published is not None, done.failure
        assert done.published.evidence.source == ""
        assert [e.method for e in mirror.exchanges(URL)] == ["GET", "HEAD"]


async def test_a_source_that_never_tells_a_length_is_written_down(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.NoLength())
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(unverified())
        assert done.published is not None, done.failure
        assert done.published.evidence.source == "the source announces no length"


async def test_a_cut_without_a_length_is_noticed_by_the_size(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.NoLength(times=1), faults.CutAfter(2 * MIB, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert failed_with(await bench.finish(unverified())) == "import.bad_length"
        assert list(bench.layout.parts.iterdir()) == []


async def test_the_same_url_twice_at_once_is_fetched_once(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    hold = faults.HoldAt(2 * MIB)
    mirror.fault(URL, hold)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        one, other = unverified(), unverified(filename="second.qcow2", url=URL)
        for wanted in (one, other):
            await bench.downloads.start(wanted)
        await bench.until(other.job_id, lambda d: d.progress.done >= 2 * MIB)
        hold.release()
        ends = [await bench.ended(wanted.job_id) for wanted in (one, other)]
        assert {end.state for end in ends} == {JobState.READY}
        assert len(mirror.exchanges(URL)) == 1


async def test_tries_are_counted_and_the_next_is_dated(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.Status(503, retry_after="1", times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = unverified()
        await bench.downloads.start(wanted)
        waiting = await bench.until(wanted.job_id, lambda d: bool(d.waiting_for))
        assert (waiting.tries.attempt, waiting.tries.attempts) == (2, 4)
        assert waiting.tries.next_at is not None
        done = await bench.ended(wanted.job_id)
        assert done.tries == replace(done.tries, attempt=0, attempts=0, next_at=None)


@pytest.mark.parametrize("asked", ["1000000000", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_senseless_retry_after_is_not_waited_for(tmp_path: Path, mirror: Mirror, asked: str) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.Status(429, retry_after=asked, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert (await bench.finish(unverified())).state is JobState.READY
