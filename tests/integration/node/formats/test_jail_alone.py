"""The second wall alone: QEMU opens hostile files without any inspection, and reaches nothing but them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_library.domain.errors import JailedProgramDied
from image_library.node.adapters.jail import Jail, JailLimits, JailResult, Wall
from tests.support.corpus.bombs import packed_inside
from tests.support.corpus.good import CLUSTER
from tests.support.corpus.hostile import HOSTILE
from tests.support.corpus.hostile_qcow2 import backed
from tests.support.corpus.rows import Hostile
from tests.support.inotify import Watch, watched

QEMU_IMG = shutil.which("qemu-img") or "/usr/bin/qemu-img"
MARK = b"CANARY-5d1f "
TARGET_BYTES = 64 << 20
LIMITS = JailLimits(wall_seconds=10, cpu_seconds=8, file_size=TARGET_BYTES)
DANGEROUS = [row for row in HOSTILE if row.driver]
OPENING = [row for row in DANGEROUS if row.attack in ("A01", "A02", "A03", "A04")]


@dataclass(frozen=True, kw_only=True)
class Bench:
    folder: Path
    canary: Path
    watch: Watch


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    canary = tmp_path / "canary"
    canary.write_bytes(MARK * 10_000)
    with watched(canary) as watch:
        yield Bench(folder=tmp_path, canary=canary, watch=watch)


@contextmanager
def opened(path: Path, flags: int) -> Generator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def attack(bench: Bench, data: bytes, driver: str, wall: Wall) -> tuple[bytes, bytes]:
    """All that QEMU said, and all that it wrote, when it was asked for facts and for a copy."""
    image, target = bench.folder / "image", bench.folder / "target"
    image.write_bytes(data)
    target.touch()
    os.truncate(target, TARGET_BYTES)
    said = b""
    with opened(image, os.O_RDONLY) as source, opened(target, os.O_RDWR) as out:
        names = (f"/proc/self/fd/{source}", f"/proc/self/fd/{out}")
        for words in (
            ("info", "-f", driver, "--output=json", names[0]),
            ("convert", "-n", "-f", driver, "-O", "raw", *names),
        ):
            ended = await in_jail(words, wall, readable=(source,), writable=(out,))
            said += ended.output + ended.said if ended else b""
    return said, target.read_bytes()


async def in_jail(
    words: tuple[str, ...], wall: Wall, *, readable: tuple[int, ...], writable: tuple[int, ...]
) -> JailResult | None:
    before = time.monotonic()
    try:
        return await Jail(wall).run((QEMU_IMG, *words), limits=LIMITS, readable=readable, writable=writable)
    except JailedProgramDied:
        # Killed for using too much, and in time.
        assert time.monotonic() - before < LIMITS.wall_seconds + 10
        return None


@pytest.mark.parametrize("row", DANGEROUS, ids=lambda row: f"{row.attack}-{row.name}")
async def test_nothing_but_the_image_is_opened(bench: Bench, row: Hostile) -> None:
    said, written = await attack(bench, row.build(str(bench.canary)), row.driver, Wall.LANDLOCK)
    assert bench.watch.events() == 0
    assert MARK not in said
    assert MARK not in written


@pytest.mark.parametrize("row", OPENING[::4], ids=lambda row: row.name)
async def test_nor_behind_the_other_wall(bench: Bench, row: Hostile) -> None:
    said, written = await attack(bench, row.build(str(bench.canary)), row.driver, Wall.BUBBLEWRAP)
    assert bench.watch.events() == 0
    assert MARK not in said
    assert MARK not in written


@pytest.mark.parametrize("name", ["qcow2-backing-file", "qcow2-data-file-raw", "vmdk-flat"])
async def test_without_a_wall_the_attack_works(bench: Bench, name: str) -> None:
    row = next(row for row in OPENING if row.name == name)
    _, written = await attack(bench, row.build(str(bench.canary)), row.driver, Wall.NONE)
    assert bench.watch.events() > 0
    if "data-file" not in name:
        assert MARK in written


def test_a_backing_file_is_really_read_without_a_jail(bench: Bench) -> None:
    image, target = bench.folder / "image", bench.folder / "target"
    image.write_bytes(backed(str(bench.canary)))
    subprocess.run([QEMU_IMG, "convert", "-f", "qcow2", "-O", "raw", image, target], check=True)
    assert target.read_bytes().startswith(MARK)


async def test_a_disk_packed_once_fills_no_more_than_it_may(bench: Bench) -> None:
    image, target = bench.folder / "image", bench.folder / "target"
    image.write_bytes(packed_inside(8192 * CLUSTER))
    target.touch()
    os.truncate(target, 8192 * CLUSTER)
    limits = JailLimits(wall_seconds=30, cpu_seconds=20, file_size=16 << 20)
    with opened(image, os.O_RDONLY) as source, opened(target, os.O_RDWR) as out:
        words = (
            "convert",
            "-n",
            "-f",
            "qcow2",
            "-O",
            "raw",
            f"/proc/self/fd/{source}",
            f"/proc/self/fd/{out}",
        )
        try:
            ended = await Jail(Wall.LANDLOCK).run(
                (QEMU_IMG, *words), limits=limits, readable=(source,), writable=(out,)
            )
        except JailedProgramDied:
            pass
        else:
            assert ended.status != 0
    assert target.stat().st_blocks * 512 <= (16 << 20) + (1 << 20)
