"""Conversions that are killed, and such that find the disk full."""

from __future__ import annotations

import asyncio
import os
import random
import select
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from image_library.domain.conversion import DiskInside, Packing, Shape
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.wire.node_daemon import order_to_wire
from limiquantix.node.v1.node_daemon_pb import DownloadProgress
from tests.fakes.node_process import node_process
from tests.fakes.node_workbench import PUBLISHER, order, publish, workbench
from tests.support.disks import MIB, packed, run, same
from tests.support.mirror import Mirror

URL = f"{PUBLISHER}/disk.qcow2"
WANTED = Shape(format=ImageFormat.QCOW2)


def noisy(path: Path, mib: int) -> Path:
    """A VMDK whose bytes take a while to be unpacked and converted."""
    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        file.write(bytes(510) + b"\x55\xaa")
        for number in range(mib):
            file.write(random.Random(number).randbytes(MIB))
        file.truncate((mib + 1) * MIB)
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(raw), str(path))
    return path


def gone(folder: Path) -> bool:
    """Whether every process, other than our own, that has a file of the folder open has ended soon."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            if process.name == str(os.getpid()) or not any(link.startswith(str(folder)) for link in links):
                continue
            ending = os.pidfd_open(int(process.name))
        except OSError:
            continue
        ended, _, _ = select.select([ending], [], [], 10)
        os.close(ending)
        if not ended:
            return False
    return True


async def test_killed_while_it_converts_the_next_daemon_begins_with_the_verified_file(
    tmp_path: Path, mirror: Mirror
) -> None:
    source, data = noisy(tmp_path / "source", 48), tmp_path / "data"
    publish(mirror, packed(source.read_bytes(), Packing.XZ))
    asked = order_to_wire(order(job_id="job-1", format=ImageFormat.VMDK, wanted=WANTED))
    async with node_process(data, mirror=mirror.base_url) as node:
        async for progress in node.client.download_image(asked, metadata=node.metadata):
            if progress.stage == "converting":
                break
        await node.kill()
    # The kernel ends the children of the killed one.
    assert await asyncio.to_thread(gone, data / "parts")
    async with node_process(data, mirror=mirror.base_url) as node:
        call = node.client.download_image(asked, metadata=node.metadata)
        done = [progress async for progress in call][-1]
        assert done.status is DownloadProgress.Status.COMPLETED, done.error
        same(source, ImageFormat.VMDK, Path(done.path), ImageFormat.QCOW2)
        assert done.converted_from is not None
        assert (done.converted_from.format, done.converted_from.packing) == ("vmdk", "xz")
        assert list((data / "parts").iterdir()) == []
    assert len(mirror.exchanges(URL)) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=False).returncode:
        pytest.skip("only root can mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


class Hopeful(QemuImgImages):
    """Measures too little, so that the disk is full when it is written."""

    async def measure(self, descriptor: int, disk: DiskInside, shape: Shape, *, virtual_size: int) -> int:
        return MIB


async def test_a_full_disk_is_told_and_only_what_was_fetched_stays(
    small_disk: Path, tmp_path: Path, mirror: Mirror
) -> None:
    source = noisy(tmp_path / "source", 40)
    publish(mirror, source.read_bytes())
    converters = {"measured": None, "hopeful": Hopeful(Jail(best_wall()))}
    for converter in converters.values():
        async with workbench(small_disk, mirror=mirror.base_url, converter=converter) as bench:
            failed = await bench.finish(order(format=ImageFormat.VMDK, wanted=WANTED))
            assert failed.state is JobState.FAILED
            assert failed.failure is not None
            assert failed.failure.code == "storage.full"
            [left] = bench.layout.parts.iterdir()
            assert left.stat().st_size == source.stat().st_size
    assert len(mirror.exchanges(URL)) == 1
