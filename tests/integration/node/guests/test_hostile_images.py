"""Images made to harm whoever looks inside: facts stay empty, with a reason, and nothing else happens."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from image_library.domain.guest_facts import GuestFacts
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_disk.reading import read_facts
from image_library.node.adapters.guest_inspector import LIMITS, JailedGuestInspector
from image_library.node.adapters.jail import Jail, JailLimits, best_wall
from tests.support import guest_images as images

NOTHING_FOUND = "No operating system was found in it (no os-release)."
CANARY = 'ID=stolen\nPRETTY_NAME="stolen from the host"\n'


async def facts_of(image: Path, image_format: ImageFormat = ImageFormat.RAW) -> GuestFacts:
    return await JailedGuestInspector(Jail(best_wall())).read(str(image), image_format)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "of-the-host"
    path.write_text(CANARY)
    return path


async def test_a_link_never_leads_out_of_the_image(tmp_path: Path, canary: Path) -> None:
    up = "../" * 30
    for number, target in enumerate((str(canary), f"{up}{canary}", "/proc/self/environ", "/dev/zero")):
        root = images.tree(tmp_path / f"root{number}", {"etc/hostname": "x"}, {"etc/os-release": target})
        facts = await facts_of(images.ext(tmp_path / f"{number}.img", root))
        assert facts == GuestFacts(reason=NOTHING_FOUND)


async def test_a_link_from_the_root_stays_in_the_image(tmp_path: Path, canary: Path) -> None:
    files = {str(canary).lstrip("/"): "ID=inside\n"}
    root = images.tree(tmp_path / "root", files, {"etc/os-release": f"../../..{canary}"})
    assert (await facts_of(images.ext(tmp_path / "disk.img", root))).distribution == "inside"


async def test_links_in_a_circle_end(tmp_path: Path) -> None:
    links = {"etc/os-release": "/a", "a": "/b", "b": "/a", "usr/lib": "lib"}
    root = images.tree(tmp_path / "root", {"etc/hostname": "x"}, links)
    assert await facts_of(images.ext(tmp_path / "disk.img", root)) == GuestFacts(reason=NOTHING_FOUND)


async def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    root = images.tree(tmp_path / "root", {"etc/hostname": "x"}, {})
    os.mkfifo(root / "etc/os-release")
    assert await facts_of(images.ext(tmp_path / "disk.img", root)) == GuestFacts(reason=NOTHING_FOUND)


async def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    root = images.tree(
        tmp_path / "root", {"bin/sh": images.SYSTEM["usr/bin/busybox"], "etc/os-release": ""}, {}
    )
    os.truncate(root / "etc/os-release", 100 << 20)
    facts = await facts_of(images.ext(tmp_path / "disk.img", root))
    assert facts.reason == "Its /etc/os-release has 104857600 bytes, which is too long to be read."
    assert (facts.distribution, facts.architecture) == ("", "aarch64")


async def test_a_qcow2_with_a_backing_file_is_never_opened(tmp_path: Path, canary: Path) -> None:
    images.ext(tmp_path / "base.img", images.tree(tmp_path / "root"))
    for backing in (tmp_path / "base.img", canary):
        image = tmp_path / "disk.qcow2"
        images.run(
            *("qemu-img", "create", "-q", "-u", "-f", "qcow2"),
            *("-b", backing, "-F", "raw", image, "16M"),
        )
        facts = await facts_of(image, ImageFormat.QCOW2)
        assert facts == GuestFacts(reason=f"It has the backing file '{backing}'.")


async def test_a_qcow2_that_is_called_raw_is_read_as_bytes(tmp_path: Path) -> None:
    raw = images.ext(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    assert await facts_of(images.qcow2(raw)) == GuestFacts(reason=NOTHING_FOUND)


@pytest.mark.parametrize(
    ("offset", "mark", "what"),
    [(3, b"NTFS    ", "NTFS"), (512, b"LABELONE", "LVM"), (0, b"LUKS\xba\xbe", "LUKS encryption")],
)
async def test_what_is_known_and_not_read_is_named(
    tmp_path: Path, offset: int, mark: bytes, what: str
) -> None:
    volume = images.sized(tmp_path / "volume.img", 4)
    with volume.open("r+b") as file:
        file.seek(offset)
        file.write(mark)
    image = images.disk(tmp_path / "disk.img", "gpt", ("L", volume))
    assert await facts_of(image) == GuestFacts(reason=f"It holds {what}, which is not read.")


@pytest.mark.parametrize("content", [b"", b"x", bytes(512), bytes(510) + b"\x55\xaa", b"\xff" * 100_000])
async def test_what_is_no_disk_is_none(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(content)
    facts = await facts_of(image)
    assert not facts.read
    assert facts.reason


async def test_other_formats_and_other_files_are_not_read(tmp_path: Path) -> None:
    assert (await facts_of(tmp_path, ImageFormat.VMDK)).reason == "Images in the format vmdk are not read."
    assert (await facts_of(tmp_path)).reason == "It could not be opened (it is no regular file)."
    assert "no such file" in (await facts_of(tmp_path / "gone")).reason
    os.mkfifo(tmp_path / "pipe")
    assert (await facts_of(tmp_path / "pipe")).reason == "It could not be opened (it is no regular file)."


async def test_without_a_jail_nothing_is_opened_and_the_reason_is_told(tmp_path: Path) -> None:
    image = images.ext(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    facts = await JailedGuestInspector(Jail(None)).read(str(image), ImageFormat.RAW)
    assert not facts.read
    assert "this machine can shut no program in" in facts.reason


async def test_a_partition_table_without_end_ends(tmp_path: Path) -> None:
    """An extended partition whose chain of tables leads back to itself."""
    image = images.sized(tmp_path / "disk.img", 4)
    table = bytes(446) + struct.pack("<B3xB3xII", 0, 0x83, 1, 1) + struct.pack("<B3xB3xII", 0, 5, 1, 9000)
    with image.open("r+b") as file:
        for _ in range(2000):
            file.write(table.ljust(510, b"\0") + b"\x55\xaa")
    assert not (await facts_of(image)).read


async def test_a_reader_that_computes_without_end_is_killed(tmp_path: Path) -> None:
    """cloud.cfg of a few hundred bytes that merges into billions of keys."""
    rungs = [f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    config = "\n".join(["l0: &l0 {a: b}", *rungs])
    root = images.tree(tmp_path / "root", {**images.SYSTEM, "etc/cloud/cloud.cfg": config})
    image = images.ext(tmp_path / "disk.img", root)
    limits = JailLimits(wall_seconds=5, cpu_seconds=1, memory=LIMITS.memory, processes=0)
    began = time.monotonic()
    facts = await JailedGuestInspector(Jail(best_wall()), limits=limits).read(str(image), ImageFormat.RAW)
    assert facts == GuestFacts(reason=facts.reason)
    assert "was ended by a signal" in facts.reason
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("make", [images.ext, images.xfs, images.btrfs])
def test_damage_never_raises_and_never_hangs(tmp_path: Path, make: Callable[[Path, Path], Path]) -> None:
    """Random bytes in what the file system wrote; in this process, where an exception would be seen."""
    image = images.qcow2(make(tmp_path / "disk.img", images.tree(tmp_path / "root")))
    whole = image.read_bytes()
    written = [at for at in range(0, len(whole), 512) if whole[at : at + 512].strip(b"\0")]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    descriptor = os.open(image, os.O_RDWR)
    try:
        began = time.monotonic()
        for _ in range(60):
            places = [
                chance.choice(written) + chance.randrange(512) for _ in range(chance.choice([1, 8, 64]))
            ]
            for place in places:
                os.pwrite(descriptor, chance.choice([b"\xff", b"\0", chance.randbytes(4)]), place)
            facts = read_facts(descriptor, ImageFormat.QCOW2)
            assert facts.read or facts.reason
            os.pwrite(descriptor, whole, 0)
        assert time.monotonic() - began < 60
    finally:
        os.close(descriptor)
