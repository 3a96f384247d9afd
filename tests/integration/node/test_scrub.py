"""A flipped bit in a published blob: found, put aside, never used, and whole again when it is fetched."""

# Small files, and nobody else waits for the loop.
# ruff: noqa: ASYNC230, ASYNC240
from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from image_library.domain.errors import ImageChanged, ImageDamaged, ImageFileMissing, ImageNotReady
from image_library.domain.store import PublishedImage
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.store.scrub import QUARANTINE_SECONDS
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.read_image import ImageReading
from image_library.node.services.receive_upload import Piece, Uploads
from image_library.node.services.scrub_images import ImageScrub, Verdict
from image_library.node.services.scrub_manners import MIB
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, Workbench, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

IMAGE = Qcow2().file(3 * MIB + 777)
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"


def scrub_of(bench: Workbench, changed: Callable[[], None] = lambda: None) -> ImageScrub:
    return ImageScrub(
        store=bench.store.scrub,
        clock=SystemClock(),
        rate=1 << 40,
        interval=timedelta(days=7),
        changed=changed,
        others_move=lambda: False,
    )


async def published(bench: Workbench) -> PublishedImage:
    done = await bench.finish(order())
    assert done.published is not None, done.failure
    return done.published


def flip(path: str, offset: int = 2 * MIB + 5) -> None:
    """One bit, as a bad disk would: size, time and inode stay."""
    seen = Path(path).stat()
    Path(path).chmod(0o644)
    fd = os.open(path, os.O_RDWR)
    try:
        [byte] = os.pread(fd, 1, offset)
        os.pwrite(fd, bytes([byte ^ 0x10]), offset)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    Path(path).chmod(0o444)


async def verdict(bench: Workbench) -> Verdict:
    return [reading async for reading in scrub_of(bench).verify(DIGEST)][-1].verdict


async def test_a_whole_blob_is_found_whole_and_when_is_reported(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await published(bench)
        [before] = (await bench.scan.inventory()).images
        assert await verdict(bench) is Verdict.WHOLE
        [after] = (await bench.scan.inventory()).images
        assert before.verified_at is not None
        assert after.verified_at is not None
        assert after.verified_at > before.verified_at


async def test_a_flipped_bit_is_found_and_the_blob_is_put_aside(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        flip(image.blob_path)
        assert (await bench.store.find(DIGEST)).digest == DIGEST
        with Path(image.blob_path).open("rb") as in_use:
            assert await verdict(bench) is Verdict.DAMAGED
            # A VM that runs keeps what it has open.
            assert len(in_use.read()) == len(IMAGE)
        for use in (bench.store.find(DIGEST), bench.store.open(DIGEST)):
            with pytest.raises(ImageDamaged):
                await use
        aside = bench.layout.quarantine / DIGEST[7:]
        assert stat.S_IMODE(aside.stat().st_mode) == 0o400
        assert not os.path.lexists(image.blob_path)
        assert not os.path.lexists(image.link_path)
        said = await bench.scan.inventory()
        assert said.images == ()
        [damaged] = said.damaged
        wrong = hashlib.sha256(aside.read_bytes()).hexdigest()
        assert (damaged.checksum, damaged.actual) == (DIGEST, f"sha256:{wrong}")


async def test_fresh_bytes_make_it_whole_under_the_same_path(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        flip(image.blob_path)
        await verdict(bench)
        again = await published(bench)
        assert again.blob_path == image.blob_path
        assert content(again.blob_path) == IMAGE
        assert (await bench.scan.inventory()).damaged == ()
        # That it happened is remembered.
        last = await bench.store.scrub.last_damage()
        assert last is not None
        assert (last.digest, last.name) == (DIGEST, Path(image.link_path).name)
        assert await verdict(bench) is Verdict.WHOLE


async def test_what_is_damaged_stays_so_after_a_restart(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        flip((await published(bench)).blob_path)
        await verdict(bench)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert await bench.scan.adopt_orphans() == 0
        with pytest.raises(ImageDamaged):
            await bench.store.find(DIGEST)
        # An image that nobody wants any more is forgotten, damaged or not.
        await bench.store.remove(DIGEST)
        with pytest.raises(ImageNotReady):
            await bench.store.find(DIGEST)


async def test_killed_between_journal_and_file_nothing_rotten_comes_back(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        flip(image.blob_path)
        await verdict(bench)
        # As if the process had ended before the file was moved.
        (bench.layout.quarantine / DIGEST[7:]).rename(image.blob_path)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert await bench.scan.adopt_orphans() == 0
        assert (await bench.scan.inventory()).images == ()


async def test_the_quarantine_is_emptied_after_a_week(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        flip((await published(bench)).blob_path)
        await verdict(bench)
        await bench.store.scrub.tidy()
        assert (bench.layout.quarantine / DIGEST[7:]).exists()
    ahead = timedelta(seconds=QUARANTINE_SECONDS)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, ahead=ahead) as bench:
        await bench.store.scrub.tidy()
        assert not (bench.layout.quarantine / DIGEST[7:]).exists()


async def test_a_file_that_was_only_touched_is_neither_used_nor_put_aside(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        os.utime(image.blob_path)
        assert await verdict(bench) is Verdict.CHANGED
        with pytest.raises(ImageChanged):
            await bench.store.find(DIGEST)
        # Never silently an image again, but by fetching it.
        await published(bench)
        assert await verdict(bench) is Verdict.WHOLE


async def test_an_edited_blob_is_put_aside_and_a_deleted_one_is_missing(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        Path(image.blob_path).chmod(0o644)
        with Path(image.blob_path).open("ab") as file:
            file.write(b"more")
        with pytest.raises(ImageChanged):
            await bench.store.find(DIGEST)
        assert await verdict(bench) is Verdict.DAMAGED
        image = await published(bench)
        Path(image.blob_path).unlink()
        with pytest.raises(ImageFileMissing):
            await verdict(bench)
        with pytest.raises(ImageFileMissing):
            await bench.store.find(DIGEST)


async def test_those_who_move_bytes_say_so(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(f"{PUBLISHER}/disk.qcow2", faults.HoldAt(2 * MIB))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        assert not bench.downloads.moving
        await bench.downloads.start(wanted)
        await bench.until(wanted.job_id, lambda d: d.progress.done > 0)
        assert bench.downloads.moving
        mirror.heal()
        await bench.downloads.cancel(wanted.job_id)
        assert not bench.downloads.moving
        await published(bench)
        reading = ImageReading(store=bench.store, holds=ImageHolds())
        async with aclosing(reading.read(DIGEST)) as blocks:
            await anext(blocks)
            assert reading.moving
        assert not reading.moving


async def test_an_upload_moves_bytes_while_they_come(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        uploads = Uploads(store=bench.store, gate=bench.health)
        seen: list[bool] = []

        async def pieces() -> AsyncIterator[Piece]:
            seen.append(uploads.moving)
            yield Piece(offset=0, data=IMAGE)

        await uploads.open("upload", size=len(IMAGE), algorithm="sha256")
        seen.append(uploads.moving)
        await uploads.write("upload", pieces())
        seen.append(uploads.moving)
        assert seen == [False, True, False]
        await uploads.close()
