"""Parts of downloads that share their file with a published image, or lose their reader in mid-air."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from pathlib import Path

from image_library.domain.job import JobState
from image_library.domain.store import Download
from image_library.node.adapters.store.disk import Disk
from image_library.node.adapters.store.part_records import PartRecord, PartRecords, boot_id
from image_library.node.ports.storage import PartKey
from image_library.node.services.flights import version_key
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, Workbench, content, order, publish, workbench
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
NEXT = Qcow2(virtual_size=2 << 30).file(2 * MIB)
URL = f"{PUBLISHER}/disk.qcow2"


def blob(download: Download) -> str:
    assert download.published is not None, download.failure
    return download.published.blob_path


async def killed_before_the_part_was_removed(bench: Workbench) -> Download:
    """A published image whose part is still there, as another name of the same file."""
    done = await bench.finish(order())
    key = version_key(done.order)
    os.link(blob(done), bench.layout.part(key))
    expected = f"sha512:{hashlib.sha512(IMAGE).hexdigest()}"
    await PartRecords(bench.journal).save(PartRecord(key=key, expected=expected, boot_id=boot_id()))
    return done


async def test_the_next_version_is_not_written_into_the_last_ones_file(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        first = await killed_before_the_part_was_removed(bench)
        publish(mirror, NEXT)
        second = await bench.finish(order())
        assert content(blob(second)) == NEXT
        assert content(blob(first)) == IMAGE
        assert len((await bench.store.published())[0]) == 2


async def test_a_download_killed_between_link_and_record_needs_no_byte_again(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await killed_before_the_part_was_removed(bench)
        await bench.journal.run(lambda c: c.execute("DELETE FROM published"))
        done = await bench.finish(order())
        assert content(blob(done)) == IMAGE
        assert len(mirror.exchanges(URL)) == 1
        assert list(bench.layout.parts.iterdir()) == []


async def test_a_part_killed_just_before_its_link_is_gone_on_with(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        wanted = order()
        key, expected = version_key(wanted), f"sha512:{hashlib.sha512(IMAGE).hexdigest()}"
        part = bench.layout.part(key)
        part.write_bytes(IMAGE)
        part.chmod(0o444)
        record = PartRecord(key=key, expected=expected, total=len(IMAGE), boot_id=boot_id())
        await PartRecords(bench.journal).save(record)
        assert content(blob(await bench.finish(wanted))) == IMAGE
        assert mirror.exchanges(URL) == []


async def test_a_start_removes_the_part_of_what_is_published(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await killed_before_the_part_was_removed(bench)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert list(bench.layout.parts.iterdir()) == []
        assert content(blob(done)) == IMAGE
        assert await PartRecords(bench.journal).load(version_key(done.order)) is None


async def test_an_image_whose_link_was_taken_away_is_not_forgotten_for_its_name(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        first = await bench.finish(order())
        (bench.layout.cloud_images / "disk.qcow2").unlink()
        publish(mirror, NEXT)
        second = await bench.finish(order())
        images, problems = await bench.store.published()
        assert {image.blob_path for image in images} == {blob(first), blob(second)}
        assert problems == ()
        assert len(list(bench.layout.cloud_images.glob("[!.]*"))) == 2


class SlowDisk(Disk):
    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        self.go.wait()
        super().write(fd, data, offset)


async def test_a_file_is_not_closed_under_its_writer(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with workbench(tmp_path / "data", disk=disk) as bench:
        disk.go.clear()
        part = await bench.store.open_part(PartKey(key="ab", expected="sha256:00"))
        await part.write(b"x" * 5)
        finishing = asyncio.create_task(part.finish())
        await asyncio.wait([finishing], timeout=0.05)
        finishing.cancel()
        closing = asyncio.create_task(part.close())
        _, waiting = await asyncio.wait([finishing, closing], timeout=0.05)
        disk.go.set()
        await closing
        assert waiting == {closing}
        assert bench.layout.part("ab").read_bytes() == b"xxxxx"


async def test_who_asks_while_the_last_one_cancels_gets_the_image(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, HoldAt(2 * MIB, times=1))
    disk = SlowDisk()
    async with workbench(tmp_path / "data", mirror=mirror.base_url, disk=disk) as bench:
        disk.go.clear()
        first, second = order(), order()
        await bench.downloads.start(first)
        await bench.until(first.job_id, lambda d: d.progress.done >= MIB // 2)
        cancelling = asyncio.create_task(bench.downloads.cancel(first.job_id))
        assert not (await asyncio.wait([cancelling], timeout=0.05))[0]
        await bench.downloads.start(second)
        disk.go.set()
        assert (await cancelling).state is JobState.CANCELLED
        async with asyncio.timeout(10):
            assert content(blob(await bench.ended(second.job_id))) == IMAGE
