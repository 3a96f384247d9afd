"""What goes wrong at a source, on the disk and in between, and what is left of it."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.job import JobState
from image_library.domain.store import Download
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.store.disk import Disk, Space
from tests.fakes.node_images import CLUSTER, Qcow2, raw_disk
from tests.fakes.node_workbench import PUBLISHER, QUICK, Workbench, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
URL = f"{PUBLISHER}/disk.qcow2"
SUMS = f"{PUBLISHER}/SUMS"


def nothing_is_published(bench: Workbench) -> bool:
    blobs = [path for path in bench.layout.blobs.rglob("*") if path.is_file()]
    return not blobs and not list(bench.layout.cloud_images.glob("[!.]*"))


def code(download: Download) -> str:
    assert download.failure is not None, download.state
    assert download.state is JobState.FAILED
    return download.failure.code


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.CutAfter(MIB, times=1, reset=True), id="connection reset"),
        pytest.param(faults.Drop(times=1), id="closed without a word"),
        pytest.param(faults.Status(503, times=1), id="busy"),
        pytest.param(faults.Status(500, times=2), id="broken twice"),
        pytest.param(faults.IgnoreRange(), id="no ranges"),
        pytest.param(faults.NoLength(), id="no length"),
        pytest.param(faults.WeakETag(), id="weak validator"),
        pytest.param(faults.NoValidators(), id="no validator"),
        pytest.param(faults.ChangedETag(), id="validator changes"),
    ],
)
async def test_gets_there_in_the_end(tmp_path: Path, mirror: Mirror, fault: faults.Fault) -> None:
    publish(mirror, IMAGE)
    cut = faults.CutAfter(MIB, times=1), faults.Throttle(8 * MIB, times=1)
    mirror.fault(URL, *cut, fault)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.WrongContentRange(times=1, skip=1), id="other range"),
        pytest.param(faults.WrongTotal(MIB, times=1, skip=1), id="other total"),
    ],
)
async def test_refuses_a_wrong_part_and_starts_again(
    tmp_path: Path, mirror: Mirror, fault: faults.Fault
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.CutAfter(MIB, times=1), faults.Throttle(8 * MIB, times=1), fault)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert [e.range is None for e in mirror.exchanges(URL)] == [True, False, True]


@pytest.mark.parametrize(
    ("fault", "expected", "tries"),
    [
        pytest.param(faults.Status(404), "import.not_found", 1, id="not found"),
        pytest.param(faults.Status(410), "import.not_found", 1, id="gone"),
        pytest.param(faults.Status(403), "import.refused", 1, id="forbidden"),
        pytest.param(faults.Status(401), "import.refused", 1, id="unauthorised"),
        pytest.param(faults.Status(502), "import.unreachable", 4, id="never up"),
        pytest.param(faults.StallAfter(1000), "import.stalled", 4, id="stalls"),
        pytest.param(faults.Redirect("http://169.254.169.254/x"), "import.address_denied", 1, id="metadata"),
        pytest.param(faults.Redirect("file:///etc/passwd"), "import.redirect_denied", 1, id="file"),
        pytest.param(
            faults.Redirect("https://u:p@example.org/x"), "import.redirect_denied", 1, id="userinfo"
        ),
        pytest.param(faults.Html(), "image.not_an_image", 1, id="web page"),
    ],
)
async def test_fails_by_name(
    tmp_path: Path, mirror: Mirror, fault: faults.Fault, expected: str, tries: int
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, fault)
    rules = replace(QUICK, patience=0.2)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, rules=rules) as bench:
        assert code(await bench.finish(order())) == expected
        assert len(mirror.exchanges(URL)) == tries
        assert nothing_is_published(bench)


@pytest.mark.parametrize("file", [URL, SUMS])
async def test_waits_as_long_as_the_source_asks_and_says_so(
    tmp_path: Path, mirror: Mirror, file: str
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(file, faults.Status(429, retry_after="1", times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        await bench.downloads.start(wanted)
        waiting = await bench.until(wanted.job_id, lambda d: bool(d.waiting_for))
        assert waiting.waiting_for == "127.0.0.1 cannot answer now (HTTP 429). Trying again in 1 s."
        done = await bench.ended(wanted.job_id)
        assert done.state is JobState.READY
        assert done.waiting_for == ""


async def test_stops_after_five_redirects(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.Redirect(mirror.url(URL)))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(order())) == "import.redirect_denied"
        assert len(mirror.exchanges(URL)) == 6


async def test_a_bit_that_stays_flipped_is_a_clear_refusal_and_nothing_stays(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.Corrupt(2 * MIB))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        failed = await bench.finish(order())
        assert code(failed) == "verify.digest_mismatch"
        assert failed.failure is not None
        assert hashlib.sha512(IMAGE).hexdigest() in failed.failure.message
        assert SUMS in failed.failure.message
        assert nothing_is_published(bench)
        assert list(bench.layout.parts.iterdir()) == []
        assert [e.headers.get("cache-control") for e in mirror.exchanges(URL)] == [None, "no-cache"]


async def test_bytes_that_rotted_on_disk_are_fetched_again(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.HoldAt(2 * MIB, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done >= 2 * MIB)
        await bench.downloads.cancel(wanted.job_id)
        (part,) = bench.layout.parts.iterdir()
        with part.open("r+b") as file:
            file.write(b"poison")
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE


async def test_a_publisher_who_replaced_the_file_meanwhile_is_asked_once_more(
    tmp_path: Path, mirror: Mirror
) -> None:
    newer = Qcow2().file(3 * MIB, seed=2)
    publish(mirror, newer)
    mirror.fault(SUMS, faults.Replace(f"{hashlib.sha512(IMAGE).hexdigest()}  disk.qcow2\n".encode(), times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert done.published.evidence.expected == hashlib.sha512(newer).hexdigest()
        assert len(mirror.exchanges(URL)) == 1


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        pytest.param(b"# nothing\n", "verify.checksum_file", id="no digest"),
        pytest.param(b"0" * 128 + b"  other.qcow2\n", "verify.checksum_missing", id="other file"),
        pytest.param(b"<!DOCTYPE html><title>Log in</title>", "verify.checksum_file", id="web page"),
        pytest.param(b"\n" * (MIB + 1), "import.size_exceeded", id="endless"),
        pytest.param(b"\xff\xfe\x00", "verify.checksum_file", id="no text"),
    ],
)
async def test_nothing_is_fetched_without_a_checksum(
    tmp_path: Path, mirror: Mirror, sums: bytes, expected: str
) -> None:
    publish(mirror, IMAGE)
    mirror.put(SUMS, sums)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        ended = await bench.finish(order())
        assert code(ended) == expected
        assert ended.failure is not None
        assert SUMS.removeprefix("https://") in ended.failure.message
        assert mirror.exchanges(URL) == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(b"", "image.not_an_image", id="nothing"),
        pytest.param(raw_disk(), "image.format_mismatch", id="raw disk"),
        pytest.param(b"\xfd7zXZ\0" + bytes(5000), "image.archive.unsupported", id="compressed"),
        pytest.param(
            Qcow2(backing_file=b"/etc/shadow").file(), "image.unsafe.backing_file", id="backing file"
        ),
        pytest.param(Qcow2(incompatible=4).file(), "image.unsafe.data_file", id="data file"),
        pytest.param(Qcow2(virtual_size=63 << 50).file(), "image.too_large.virtual", id="63 PiB"),
    ],
)
async def test_an_image_that_lies_is_refused_though_its_digest_is_right(
    tmp_path: Path, mirror: Mirror, image: bytes, expected: str
) -> None:
    publish(mirror, image)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(order())) == expected
        assert nothing_is_published(bench)
        assert list(bench.layout.parts.iterdir()) == []


async def test_a_wrong_format_is_noticed_before_gigabytes_came(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, raw_disk(3 * MIB))
    mirror.fault(URL, faults.HoldAt(CLUSTER))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(order())) == "image.format_mismatch"


class SmallDisk(Disk):
    def space(self, path: Path) -> Space:
        return Space(free=2 * MIB, used=MIB, total=3 * MIB)


class FailingDisk(Disk):
    """Fails one operation with one error, every time."""

    def __init__(self, operation: str, number: int) -> None:
        self._operation = operation
        self._number = number
        # Not before the store is made.
        self.armed = False

    def _fail(self, operation: str) -> None:
        if self.armed and operation == self._operation:
            raise OSError(self._number, "made to fail")

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        self._fail("write")
        super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self._fail("sync")
        super().sync(fd)

    def sync_directory(self, path: Path) -> None:
        self._fail("sync_directory")
        super().sync_directory(path)

    def link(self, fd: int, target: Path) -> None:
        self._fail("link")
        super().link(fd, target)


async def test_a_full_disk_is_noticed_before_the_first_byte(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, disk=SmallDisk()) as bench:
        failed = await bench.finish(order())
        assert code(failed) == "storage.full"
        assert failed.failure is not None
        assert "needs 3.0 MiB" in failed.failure.message
        assert "2.0 MiB are free" in failed.failure.message
        assert list(bench.layout.parts.iterdir()) == []
        assert nothing_is_published(bench)


@pytest.mark.parametrize("operation", ["write", "sync", "sync_directory", "link"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, "storage.full"), (errno.EIO, "storage.io_error"), (errno.EROFS, "storage.not_writable")],
)
async def test_a_failing_disk_publishes_nothing(
    tmp_path: Path, mirror: Mirror, operation: str, number: int, expected: str
) -> None:
    publish(mirror, IMAGE)
    data = tmp_path / "data"
    disk = FailingDisk(operation, number)
    async with workbench(data, mirror=mirror.base_url, disk=disk) as bench:
        disk.armed = True
        assert code(await bench.finish(order())) == expected
        assert (await bench.store.published())[0] == ()
        if number == errno.EIO:
            # A failed sync is final: what such a disk holds is not gone on with.
            assert list(bench.layout.parts.iterdir()) == []
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.health.resume()
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        assert content(done.published.blob_path) == IMAGE


async def test_http_needs_a_digest(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    plain = mirror.url(URL)
    async with workbench(tmp_path / "data") as bench:
        by_file = order(url=plain, checksum_url=mirror.url(SUMS))
        assert code(await bench.finish(by_file)) == "import.url_scheme"
        pinned = order(
            url=plain, checksum_url="", checksum_algorithm="sha256", digest=hashlib.sha256(IMAGE).hexdigest()
        )
        done = await bench.finish(pinned)
        assert done.published is not None, done.failure
        assert done.published.evidence.level is TrustLevel.PINNED


async def test_private_addresses_are_not_fetched_from(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    pinned = order(
        url=mirror.url(URL).replace("127.0.0.1", "localhost"),
        checksum_url="",
        checksum_algorithm="sha256",
        digest="0" * 64,
    )
    async with workbench(tmp_path / "data", allowed="") as bench:
        failed = await bench.finish(pinned)
        assert code(failed) == "import.address_denied"
        assert mirror.exchanges() == []
