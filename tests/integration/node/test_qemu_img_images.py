"""The second opinion: qemu-img in the jail, on good images, hostile ones and mutants; what it converts."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.conversion import Compression, DiskInside, Shape
from image_library.domain.errors import (
    AllocatedTooLarge,
    ConvertFailed,
    ConvertKilled,
    HypervisorMissing,
    JailedProgramDied,
    JailMissing,
    LibraryError,
    StorageFull,
    UnsafeBackingFile,
    UnsafeDataFile,
    UnsafeMetadata,
    UnsupportedFeature,
    VirtualSizeTooLarge,
)
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.qemu_img.images import judge
from image_library.node.adapters.qemu_img.program import DRIVERS, LOOK

MIB = 1 << 20
SIZE = 16 * MIB
DISKS = [f for f in ImageFormat if f not in (ImageFormat.ISO, ImageFormat.OVA)]
QUICK = replace(LOOK, wall_seconds=20.0)
QEMU = QemuImgImages(Jail(best_wall()))


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def made(path: Path, image_format: ImageFormat, *options: str) -> Path:
    """A disk of 16 MiB with bytes at its beginning and near its end."""
    raw = path.with_suffix(".source")
    with raw.open("wb") as file:
        file.write(b"\x11" * MIB)
        file.truncate(SIZE)
        file.seek(SIZE - 4096)
        file.write(b"\x22" * 4096)
    sized = ["-o", "force_size=on"] if image_format is ImageFormat.VHD else []
    run(
        "qemu-img", "convert", "-f", "raw", "-O", DRIVERS[image_format], *sized, *options, str(raw), str(path)
    )
    return path


@asynccontextmanager
async def fd(path: Path, flags: int = os.O_RDONLY) -> AsyncGenerator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def examined(path: Path, image_format: ImageFormat, qemu: QemuImgImages = QEMU) -> int:
    async with fd(path) as source:
        report = await qemu.examine(source, DiskInside(format=image_format), name="it")
    return report.virtual_size_bytes


async def converted(
    source: Path,
    image_format: ImageFormat,
    target: Path,
    shape: Shape,
    *,
    most: int = 64 * MIB,
    qemu: QemuImgImages = QEMU,
    disk: DiskInside | None = None,
) -> list[float]:
    heard: list[float] = []
    async with fd(source) as read, fd(target, os.O_RDWR | os.O_CREAT) as written:
        await qemu.convert(
            read,
            disk or DiskInside(format=image_format),
            written,
            shape,
            virtual_size=SIZE,
            most=most,
            told=heard.append,
        )
    return heard


@pytest.mark.parametrize("image_format", DISKS)
async def test_a_good_image_is_examined(tmp_path: Path, image_format: ImageFormat) -> None:
    assert await examined(made(tmp_path / "it", image_format), image_format) == SIZE


@pytest.mark.parametrize("before", DISKS)
@pytest.mark.parametrize("after", DISKS)
async def test_every_format_becomes_every_other(
    tmp_path: Path, before: ImageFormat, after: ImageFormat
) -> None:
    source, target = made(tmp_path / "a", before), tmp_path / "b"
    heard = await converted(source, before, target, Shape(format=after))
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
    run("qemu-img", "compare", "-f", DRIVERS[before], "-F", DRIVERS[after], str(source), str(target))
    assert await examined(target, after) == SIZE
    assert target.stat().st_blocks * 512 < 8 * MIB


async def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    source = made(tmp_path / "a", ImageFormat.VMDK)
    for name in ("b", "c"):
        await converted(source, ImageFormat.VMDK, tmp_path / name, Shape(format=ImageFormat.QCOW2))
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


async def test_compressed_it_is_smaller_and_the_same(tmp_path: Path) -> None:
    source, target = made(tmp_path / "a", ImageFormat.RAW), tmp_path / "b"
    shape = Shape(format=ImageFormat.QCOW2, compression=Compression.ZSTD)
    await converted(source, ImageFormat.RAW, target, shape)
    said = json.loads(run("qemu-img", "info", "--output=json", str(target)))
    assert said["format-specific"]["data"]["compression-type"] == "zstd"
    assert said["actual-size"] < MIB
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(source), str(target))
    with pytest.raises(UnsupportedFeature, match="cannot be compressed"):
        await converted(source, ImageFormat.RAW, target, replace(shape, format=ImageFormat.VHD))


async def test_a_disk_inside_another_file_is_converted_where_it_lies(tmp_path: Path) -> None:
    disk = made(tmp_path / "a", ImageFormat.VMDK).read_bytes()
    outer, target = tmp_path / "outer", tmp_path / "b"
    outer.write_bytes(b"x" * 1536 + disk + b"y" * 1024)
    inside = DiskInside(format=ImageFormat.VMDK, offset=1536, length=len(disk))
    async with fd(outer) as source:
        assert (await QEMU.examine(source, inside, name="it")).virtual_size_bytes == SIZE
    await converted(outer, ImageFormat.VMDK, target, Shape(format=ImageFormat.QCOW2), disk=inside)
    run("qemu-img", "compare", "-f", "vmdk", "-F", "qcow2", str(tmp_path / "a"), str(target))


async def test_what_it_will_need_is_measured(tmp_path: Path) -> None:
    path = made(tmp_path / "a", ImageFormat.VMDK)
    async with fd(path) as source:
        disk, shape = DiskInside(format=ImageFormat.VMDK), Shape(format=ImageFormat.QCOW2)
        assert MIB < await QEMU.measure(source, disk, shape, virtual_size=SIZE) < 3 * MIB


@pytest.mark.parametrize("wall", [Wall.LANDLOCK, Wall.BUBBLEWRAP])
async def test_no_other_file_is_opened_behind_either_wall(tmp_path: Path, wall: Wall) -> None:
    """The jail alone: nothing of ours has looked at these before."""
    qemu = QemuImgImages(Jail(wall))
    canary = tmp_path / "canary"
    canary.write_bytes(b"canary" * 100_000)
    data = tmp_path / "data.qcow2"
    options = f"data_file={canary}.copy,data_file_raw=on"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(data), "16M")
    flat = tmp_path / "flat.vmdk"
    flat.write_text(
        '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        f'RW 1000 FLAT "{canary}" 0\n'
    )
    for path, image_format in ((data, ImageFormat.QCOW2), (flat, ImageFormat.VMDK)):
        with pytest.raises(LibraryError):
            await examined(path, image_format, qemu)
        with pytest.raises(LibraryError):
            await converted(path, image_format, tmp_path / "out", Shape(format=ImageFormat.RAW), qemu=qemu)
        assert b"canary" not in (tmp_path / "out").read_bytes()
    backed = tmp_path / "backed.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(canary), str(backed))
    with pytest.raises(UnsafeBackingFile, match="canary"):
        await examined(backed, ImageFormat.QCOW2, qemu)
    await converted(backed, ImageFormat.QCOW2, tmp_path / "out", Shape(format=ImageFormat.RAW), qemu=qemu)
    assert b"canary" not in (tmp_path / "out").read_bytes()


async def test_it_writes_no_more_than_it_may(tmp_path: Path) -> None:
    source = made(tmp_path / "a", ImageFormat.QCOW2)
    for image_format in (ImageFormat.RAW, ImageFormat.QCOW2):
        shape = Shape(format=image_format)
        with pytest.raises(AllocatedTooLarge):
            await converted(source, ImageFormat.QCOW2, tmp_path / "out", shape, most=MIB // 2)
        assert (tmp_path / "out").stat().st_size <= MIB // 2


async def test_a_wrong_format_is_not_guessed(tmp_path: Path) -> None:
    path = made(tmp_path / "a", ImageFormat.QCOW2)
    for image_format in (ImageFormat.VMDK, ImageFormat.VHD):
        with pytest.raises(ConvertFailed):
            await examined(path, image_format)


REFUSED: list[tuple[dict[str, object], type[LibraryError]]] = [
    ({"backing-filename": "/x"}, UnsafeBackingFile),
    ({"full-backing-filename": "/x"}, UnsafeBackingFile),
    ({"encrypted": True}, UnsupportedFeature),
    ({"snapshots": [{}] * 65}, UnsafeMetadata),
    ({"children": [{}, {}]}, UnsafeDataFile),
    ({"format-specific": {"data": {"data-file": "/x"}}}, UnsafeDataFile),
    ({"format-specific": {"data": {"corrupt": True}}}, UnsupportedFeature),
    ({"format-specific": {"data": {"parent-cid": 7}}}, UnsafeBackingFile),
    ({"format-specific": {"data": {"extents": [{}, {}]}}}, UnsafeDataFile),
    ({"virtual-size": 1 << 50}, VirtualSizeTooLarge),
    ({"virtual-size": "many"}, UnsupportedFeature),
    ({"format": "raw"}, UnsupportedFeature),
]


@pytest.mark.parametrize(("said", "error"), REFUSED)
def test_what_is_refused(said: dict[str, object], error: type[LibraryError]) -> None:
    good: dict[str, object] = {"format": "qcow2", "virtual-size": 1, "snapshots": [{}] * 64, "children": [{}]}
    disk = DiskInside(format=ImageFormat.QCOW2)
    assert judge(good, disk, name="it", max_virtual_size=2 << 40).virtual_size_bytes == 1
    with pytest.raises(error):
        judge({**good, **said}, disk, name="it", max_virtual_size=2 << 40)


def program(folder: Path, script: str) -> QemuImgImages:
    """Another program in its place; behind no wall, since it needs a shell."""
    path = folder / "bin/qemu-img"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return QemuImgImages(Jail(Wall.NONE), search_path=str(path.parent))


async def test_killed_once_it_is_run_again_and_killed_twice_it_is_told(tmp_path: Path) -> None:
    path = made(tmp_path / "a", ImageFormat.QCOW2)
    good = '{"format": "qcow2", "virtual-size": 5}'
    once = f"if [ -e {tmp_path}/ran ]; then echo '{good}'; exit 0; fi; : > {tmp_path}/ran; kill -KILL $$"
    qemu = program(tmp_path, once)
    assert await examined(path, ImageFormat.QCOW2, qemu) == 5
    (tmp_path / "more").mkdir()
    for number, signal in enumerate(("KILL", "ABRT", "SEGV")):
        (tmp_path / f"more/{number}").mkdir()
        qemu = program(tmp_path / f"more/{number}", f"kill -{signal} $$")
        with pytest.raises(ConvertKilled):
            await examined(path, ImageFormat.QCOW2, qemu)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("while :; do echo 123456789012345678901234567890; done", JailedProgramDied),
        ("echo 'No space left on device' >&2; exit 1", StorageFull),
        ("echo nonsense", ConvertFailed),
        ("echo '[]'", ConvertFailed),
        ("exit 1", ConvertFailed),
    ],
)
async def test_whatever_it_says_there_is_one_answer(
    tmp_path: Path, script: str, error: type[LibraryError]
) -> None:
    path = made(tmp_path / "a", ImageFormat.QCOW2)
    with pytest.raises(error):
        await examined(path, ImageFormat.QCOW2, program(tmp_path, script))


async def test_without_a_wall_or_a_program_nothing_is_run(tmp_path: Path) -> None:
    path = made(tmp_path / "a", ImageFormat.QCOW2)
    with pytest.raises(JailMissing):
        await examined(path, ImageFormat.QCOW2, QemuImgImages(Jail(None)))
    with pytest.raises(HypervisorMissing, match="not installed"):
        await examined(path, ImageFormat.QCOW2, QemuImgImages(Jail(best_wall()), search_path=str(tmp_path)))


async def test_whoever_stops_waiting_ends_it(tmp_path: Path) -> None:
    path = made(tmp_path / "a", ImageFormat.QCOW2)
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    qemu = program(tmp_path, f"echo $$ > {fifo}; exec /bin/sleep 600")
    waiting = asyncio.ensure_future(examined(path, ImageFormat.QCOW2, qemu))
    pid = int(await asyncio.to_thread(fifo.read_text))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def watched(path: Path) -> int:
    """A descriptor from which something can be read once somebody opens the file; see inotify(7)."""
    libc, in_open = ctypes.CDLL(None, use_errno=True), 0x20
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(watch, os.fsencode(path), in_open) >= 0
    return watch


async def test_mutants_open_nothing_and_end_in_time(tmp_path: Path) -> None:
    """Two hundred of each run; ``IMAGE_LIBRARY_MUTANTS`` and ``IMAGE_LIBRARY_SEED`` say otherwise."""
    seed = int(os.environ.get("IMAGE_LIBRARY_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    count = int(os.environ.get("IMAGE_LIBRARY_MUTANTS", "200"))
    print("seed", seed)
    chance = random.Random(seed)
    canary = tmp_path / "canary"
    canary.write_bytes(b"canary" * 10_000)
    watch = watched(canary)
    sources = [(made(tmp_path / f"{f.value}.good", f).read_bytes(), f) for f in DISKS]
    turn = asyncio.Semaphore(2)

    async def one(number: int) -> None:
        content, image_format = sources[number % len(sources)]
        mutant = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(min(len(mutant), 4096))
            mutant[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.3:
            name = str(canary).encode()
            at = chance.randrange(512)
            mutant[at : at + len(name)] = name
        path, target = tmp_path / f"{number}.bad", tmp_path / f"{number}.out"
        path.write_bytes(mutant)
        async with turn:
            try:
                await examined(path, image_format)
                await converted(path, image_format, target, Shape(format=ImageFormat.RAW))
            except LibraryError:
                pass
        if target.exists():
            assert b"canarycanary" not in target.read_bytes()
            assert target.stat().st_size <= 64 * MIB
            target.unlink()
        path.unlink()

    await asyncio.gather(*(one(number) for number in range(count)))
    with pytest.raises(BlockingIOError):
        os.read(watch, 4096)
    canary.read_bytes()
    assert os.read(watch, 4096)
    os.close(watch)
