#!/usr/bin/env python3
"""VMDK and VHD to qcow2 in the jail, against bare `qemu-img convert -m 16 -W` of the same file.

Run it alone: .venv/bin/python bench/convert.py [--rounds N] [--size MIB] [--work DIR]
A disk of 2 GiB, of which --size MIB are noise. "converted" is the jailed run alone, which is what bare
qemu-img does; "kept" is with the file's sync and its sha256, which bare runs do not do; "by hand" is bare
qemu-img, then sync, then sha256sum. Both write a file that is not there yet: removing the last one takes a
third of a second, and is no part of converting. The sides take turns, so that a busy machine treats both
alike; the page cache is warm for both. "in order" is bare qemu-img told to write in order, as ours is so that
the same file gives the same bytes everywhere: what it takes more than bare is the order's price, the rest the
jail's.
Goal: converted in at most 1.15 times the bare time, and kept in at most 1.15 times that by hand.
"""

from __future__ import annotations

import argparse
import asyncio
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
from image_library.node.adapters.qemu_img.images import AT_ONCE  # noqa: E402
from image_library.node.adapters.qemu_img.program import DRIVERS  # noqa: E402
from image_library.node.adapters.store.disk import Disk  # noqa: E402
from image_library.node.adapters.store.output_file import OutputFile  # noqa: E402

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


def bare(source: Path, image_format: ImageFormat, target: Path) -> tuple[float, float]:
    began = time.perf_counter()
    command = ["qemu-img", "convert", "-m", "16", "-W", "-f", DRIVERS[image_format], "-O", "qcow2"]
    subprocess.run([*command, str(source), str(target)], check=True)
    converted = time.perf_counter()
    subprocess.run(["sync", str(target)], check=True)
    subprocess.run(["sha256sum", str(target)], check=True, stdout=subprocess.DEVNULL)
    kept = time.perf_counter()
    return converted - began, kept - began


def in_order(source: Path, image_format: ImageFormat, target: Path) -> float:
    began = time.perf_counter()
    command = ["qemu-img", "convert", "-m", AT_ONCE, "-f", DRIVERS[image_format], "-O", "qcow2"]
    subprocess.run([*command, str(source), str(target)], check=True)
    return time.perf_counter() - began


async def ours(source: Path, image_format: ImageFormat, target: Path) -> tuple[float, float]:
    began = time.perf_counter()
    output = OutputFile(path=target, key="ours", disk=Disk(), reserve=lambda _: None)
    qemu = QemuImgImages(Jail(best_wall()))
    disk = DiskInside(format=image_format)
    read = os.open(source, os.O_RDONLY)
    await qemu.convert(
        read, disk, output.fd, WANTED, virtual_size=VIRTUAL, most=2 * VIRTUAL, told=lambda _: None
    )
    os.close(read)
    converted = time.perf_counter()
    await output.digests(lambda _: None)
    os.fsync(output.fd)
    kept = time.perf_counter()
    await output.close()
    return converted - began, kept - began


async def measure(source: Path, image_format: ImageFormat, rounds: int, folder: Path) -> bool:
    alone: list[tuple[float, float]] = []
    jailed: list[tuple[float, float]] = []
    ordered: list[float] = []
    for number in range(rounds + 1):
        for name in ("bare.qcow2", "order.qcow2", "ours.qcow2"):
            (folder / name).unlink(missing_ok=True)
        one = await asyncio.to_thread(bare, source, image_format, folder / "bare.qcow2")
        between = await asyncio.to_thread(in_order, source, image_format, folder / "order.qcow2")
        other = await ours(source, image_format, folder / "ours.qcow2")
        # The first pair warms up.
        if number:
            alone.append(one)
            jailed.append(other)
            ordered.append(between)
    converted, kept = (statistics.median(step) for step in zip(*jailed, strict=True))
    base, by_hand = (statistics.median(step) for step in zip(*alone, strict=True))
    print(f"{image_format.value}: bare {base:.2f} s; by hand {by_hand:.2f} s, {by_hand / base:.2f} x bare")
    plain = statistics.median(ordered)
    print(f"  in order  {plain:.2f} s   {plain / base:.2f} x bare")
    print(f"  converted {converted:.2f} s   {converted / base:.2f} x bare")
    print(f"  kept      {kept:.2f} s   {kept / base:.2f} x bare   {kept / by_hand:.2f} x by hand")
    return converted <= GOAL * base and kept <= GOAL * by_hand


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
    print(f"goal {GOAL} x: {'met' if all(good) else 'MISSED'}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
