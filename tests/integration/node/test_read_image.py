"""A node gives out the bytes of its published images, and of nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from image_library.domain.errors import (
    ImageChanged,
    ImageFileMissing,
    ImageInUse,
    ImageNotReady,
    InvalidRequest,
)
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.read_image import CHUNK_BYTES, ImageReading
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import Workbench, order, publish, workbench
from tests.support.mirror import Mirror

IMAGE = Qcow2().file(3 * CHUNK_BYTES + 512)
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"


@pytest.fixture
async def bench(tmp_path: Path, mirror: Mirror) -> AsyncGenerator[Workbench]:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None, done.failure
        yield bench


@pytest.fixture
def holds() -> ImageHolds:
    return ImageHolds()


@pytest.fixture
def reading(bench: Workbench, holds: ImageHolds) -> ImageReading:
    return ImageReading(store=bench.store, holds=holds)


def blob(bench: Workbench) -> Path:
    return bench.layout.blob(DIGEST.removeprefix("sha256:"))


async def read(reading: ImageReading, offset: int = 0, length: int = 0) -> list[bytes]:
    return [block async for block in reading.read(DIGEST, offset=offset, length=length)]


async def test_all_of_it_comes_in_pieces(reading: ImageReading) -> None:
    blocks = await read(reading)
    assert [len(block) for block in blocks] == [CHUNK_BYTES] * 3 + [512]
    assert b"".join(blocks) == IMAGE


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (CHUNK_BYTES - 1, 2), (100, 0), (len(IMAGE) - 1, 1), (len(IMAGE), 0)]
)
async def test_a_part_is_exactly_that(reading: ImageReading, offset: int, length: int) -> None:
    stop = offset + length if length else len(IMAGE)
    assert b"".join(await read(reading, offset, length)) == IMAGE[offset:stop]


@pytest.mark.parametrize(("offset", "length"), [(len(IMAGE) + 1, 0), (0, len(IMAGE) + 1), (2**62, 2**62)])
async def test_more_than_there_is_is_refused(reading: ImageReading, offset: int, length: int) -> None:
    with pytest.raises(InvalidRequest, match=str(len(IMAGE))):
        await read(reading, offset, length)


async def test_what_was_never_published_is_not_given(reading: ImageReading) -> None:
    with pytest.raises(ImageNotReady):
        [block async for block in reading.read("sha256:" + "0" * 64)]


async def test_a_file_that_was_changed_is_not_given(bench: Workbench, reading: ImageReading) -> None:
    seen = blob(bench).stat()
    os.utime(blob(bench), ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    with pytest.raises(ImageChanged, match="changed"):
        await read(reading)


async def test_another_file_in_its_place_is_not_given(bench: Workbench, reading: ImageReading) -> None:
    seen = blob(bench).stat()
    other = blob(bench).with_name("other")
    other.write_bytes(IMAGE)
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.replace(blob(bench))
    with pytest.raises(ImageChanged):
        await read(reading)


async def test_a_link_in_its_place_is_not_followed(
    bench: Workbench, reading: ImageReading, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    blob(bench).replace(secret)
    blob(bench).symlink_to(secret)
    with pytest.raises(ImageFileMissing):
        await read(reading)


async def test_what_is_read_is_not_removed(reading: ImageReading, holds: ImageHolds) -> None:
    async with aclosing(reading.read(DIGEST)) as blocks:
        await anext(blocks)
        with pytest.raises(ImageInUse), holds.removing(DIGEST):
            pytest.fail("removed while it is read")
    with holds.removing(DIGEST):
        pass


async def test_what_is_being_removed_is_not_read(reading: ImageReading, holds: ImageHolds) -> None:
    with holds.removing(DIGEST), pytest.raises(ImageNotReady, match="being removed"):
        await read(reading)


async def test_a_reader_goes_on_with_the_file_that_it_opened(bench: Workbench, reading: ImageReading) -> None:
    """Even if somebody replaces it by hand in the middle."""
    async with aclosing(reading.read(DIGEST)) as blocks:
        got = [await anext(blocks)]
        await asyncio.to_thread(blob(bench).unlink)
        blob(bench).write_bytes(b"!" * len(IMAGE))
        got += [block async for block in blocks]
    assert b"".join(got) == IMAGE


async def test_reading_leaves_no_descriptor_open(reading: ImageReading) -> None:
    def open_now() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    await read(reading)
    before = open_now()
    for _ in range(5):
        async with aclosing(reading.read(DIGEST)) as blocks:
            await anext(blocks)
        with pytest.raises(InvalidRequest):
            await read(reading, len(IMAGE) + 1)
    assert open_now() == before
