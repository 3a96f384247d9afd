#!/usr/bin/env python3
"""VMDK and VHD to qcow2 in the jail, against bare `qemu-img convert -m 16 -W` of the same file.

Run it alone: .venv/bin/python bench/convert.py [--rounds N] [--size MIB] [--work DIR]
A disk of 2 GiB, of which --size MIB are noise. "converted" is the jailed run alone, which is what bare
qemu-img does; "durable" is with our sync of the file, "published" with its sha256 too; bare runs do neither.
The sides take turns, so that a busy machine treats both alike; the page cache is warm for both.
Goal: converted in at most 1.15 times the time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from image_library.domain.conversion import DiskInside, Shape  # noqa: E402
from image_library.domain.image import ImageFormat  # noqa: E402
from image_library.node.adapters.jail import Jail, best_wall  # noqa: E402
from image_library.node.adapters.qemu_img import QemuImgImages  # noqa: E402
from image_library.node.adapters.qemu_img.program import DRIVERS  # noqa: E402

GOAL = 1.15
VIRTUAL = 2 << 30
MIB = 1 << 20
WANTED = Shape(format=ImageFormat.QCOW2)


def make(folder: Path, image_format: ImageFormat, mib: int) -> Path:
    raw, path = folder / "raw", folder / image_format.value
    if not raw.exists():
        with raw.open("wb") as file:
            file.truncate(VIRTUAL)
            for number in range(mib):
                file.seek(number * (VIRTUAL // mib))
                file.write(random.Random(number).randbytes(MIB))
    command = ["qemu-img", "convert", "-f", "raw", "-O", DRIVERS[image_format], str(raw), str(path)]
    subprocess.run(command, check=True)
    return path


def bare(source: Path, image_format: ImageFormat, target: Path) -> float:
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    command = ["qemu-img", "convert", "-m", "16", "-W", "-f", DRIVERS[image_format], "-O", "qcow2"]
    subprocess.run([*command, str(source), str(target)], check=True)
    return time.perf_counter() - began


async def ours(source: Path, image_format: ImageFormat, target: Path) -> tuple[float, float, float]:
    await asyncio.to_thread(target.unlink, missing_ok=True)
    began = time.perf_counter()
    read, written = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
    qemu = QemuImgImages(Jail(best_wall()))
    disk = DiskInside(format=image_format)
    await qemu.convert(
        read, disk, written, WANTED, virtual_size=VIRTUAL, most=2 * VIRTUAL, told=lambda _: None
    )
    converted = time.perf_counter()
    os.fsync(written)
    durable = time.perf_counter()
    with target.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    published = time.perf_counter()
    os.close(read)
    os.close(written)
    return converted - began, durable - began, published - began


async def measure(source: Path, image_format: ImageFormat, rounds: int, folder: Path) -> bool:
    alone: list[float] = []
    jailed: list[tuple[float, float, float]] = []
    for number in range(rounds + 1):
        one = await asyncio.to_thread(bare, source, image_format, folder / "bare.qcow2")
        other = await ours(source, image_format, folder / "ours.qcow2")
        # The first pair warms up.
        if number:
            alone.append(one)
            jailed.append(other)
    base = statistics.median(alone)
    print(f"{image_format.value}: bare qemu-img {base:6.2f} s")
    steps = [statistics.median(step) for step in zip(*jailed, strict=True)]
    for name, seconds in zip(("converted", "durable", "published"), steps, strict=True):
        print(f"  {name:10} {seconds:6.2f} s   {seconds / base:5.2f} x")
    return steps[0] <= GOAL * base


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--work", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.work) as name:
        folder = Path(name)
        good: list[bool] = []
        for image_format in (ImageFormat.VMDK, ImageFormat.VHD):
            source = make(folder, image_format, given.size)
            good.append(asyncio.run(measure(source, image_format, given.rounds, folder)))
    print(f"goal {GOAL} x for what is converted: {'met' if all(good) else 'MISSED'}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
