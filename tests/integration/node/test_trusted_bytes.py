"""Which bytes on the disk are trusted: of a part that is gone on with, and of a blob that is used."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import ImageChanged, StorageFull, StorageIo
from image_library.domain.image import ImageFormat
from image_library.domain.store import Download, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.adapters.store.disk import Disk, Space
from image_library.node.adapters.store.part_records import PartRecord, PartRecords, boot_id
from image_library.node.ports.storage import Part, PartDigests, PartKey, Publication
from tests.fakes.node_images import CLUSTER, Qcow2
from tests.fakes.node_workbench import Workbench, content, order, publish, workbench
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
PART = PartKey(key="ab", expected=f"sha256:{SHA256}")


class RecordingDisk(Disk):
    """Remembers what was done, in its order."""

    def __init__(self, space: Space | None = None) -> None:
        self.done: list[str] = []
        self._space = space

    def datasync(self, fd: int) -> None:
        self.done.append("datasync")
        super().datasync(fd)

    def sync(self, fd: int) -> None:
        self.done.append("sync")
        super().sync(fd)

    def link(self, fd: int, target: Path) -> None:
        self.done.append(f"link {target.name}")
        super().link(fd, target)

    def sync_directory(self, path: Path) -> None:
        self.done.append(f"sync {path.name}/")
        super().sync_directory(path)

    def space(self, path: Path) -> Space:
        return self._space or super().space(path)


async def left_behind(bench: Workbench, record: PartRecord, data: bytes = IMAGE) -> Part:
    """The part as it is opened after an end of the process that left these bytes."""
    bench.layout.part(record.key).write_bytes(data)
    await PartRecords(bench.journal).save(record)
    return await bench.store.open_part(PART)


async def written(bench: Workbench, data: bytes = IMAGE) -> tuple[Part, PartDigests]:
    part = await bench.store.open_part(PART)
    await part.expect(len(data), "")
    await part.write(data)
    return part, await part.finish()


def publication(digests: PartDigests) -> Publication:
    return Publication(
        digests=digests,
        facts=ImageFacts(format=ImageFormat.QCOW2, virtual_size_bytes=1 << 30),
        filename="disk.qcow2",
        evidence=Evidence(level=TrustLevel.UNVERIFIED),
        complete=lambda _: (),
    )


async def test_after_a_power_cut_only_synced_bytes_are_gone_on_with(tmp_path: Path) -> None:
    record = PartRecord(key="ab", expected=PART.expected, durable=MIB, boot_id="an earlier start")
    async with workbench(tmp_path / "data") as bench:
        part = await left_behind(bench, record)
        assert part.offset == MIB
        assert bench.layout.part("ab").stat().st_size == MIB
        await part.close()


async def test_after_a_kill_all_written_bytes_are_gone_on_with(tmp_path: Path) -> None:
    record = PartRecord(key="ab", expected=PART.expected, durable=MIB, boot_id=boot_id())
    async with workbench(tmp_path / "data") as bench:
        part = await left_behind(bench, record)
        assert part.offset == 3 * MIB
        await part.close()


async def test_bytes_of_another_image_are_not_gone_on_with(tmp_path: Path) -> None:
    record = PartRecord(key="ab", expected="sha256:another", durable=MIB, boot_id=boot_id())
    async with workbench(tmp_path / "data") as bench:
        part = await left_behind(bench, record)
        assert part.offset == 0
        assert bench.layout.part("ab").read_bytes() == b""
        await part.close()


async def test_what_is_published_is_not_emptied_when_its_part_begins_anew(tmp_path: Path) -> None:
    record = PartRecord(key="ab", expected=PART.expected, boot_id=boot_id())
    async with workbench(tmp_path / "data") as bench:
        bench.layout.part("ab").write_bytes(IMAGE)
        blob = bench.layout.blobs / "blob"
        os.link(bench.layout.part("ab"), blob)
        await PartRecords(bench.journal).save(record)
        part = await bench.store.open_part(PART)
        await part.restart()
        await part.write(b"another file")
        await part.finish()
        assert blob.read_bytes() == IMAGE
        assert bench.layout.part("ab").read_bytes() == b"another file"
        await part.discard()


async def test_a_part_that_shrank_behind_our_back_is_not_published(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        part, digests = await written(bench)
        os.truncate(bench.layout.part("ab"), MIB)
        with pytest.raises(StorageIo, match="another size"):
            await bench.store.publish(part, publication(digests))
        assert (await bench.store.published())[0] == ()
        await part.discard()


async def test_a_blob_is_durable_before_it_has_its_name_and_its_name_before_its_record(
    tmp_path: Path,
) -> None:
    disk = RecordingDisk()
    async with workbench(tmp_path / "data", disk=disk) as bench:
        part, digests = await written(bench)
        disk.done.clear()

        def complete(image: PublishedImage) -> tuple[Download, ...]:
            disk.done.append("record")
            return ()

        await bench.store.publish(part, replace(publication(digests), complete=complete))
        named, recorded = disk.done.index(f"link {SHA256}"), disk.done.index("record")
        assert "sync" in disk.done[:named]
        assert f"sync {SHA256[:2]}/" in disk.done[named:recorded]


async def test_a_long_part_is_synced_on_its_way(tmp_path: Path) -> None:
    disk = RecordingDisk()
    async with workbench(tmp_path / "data", disk=disk) as bench:
        part, _ = await written(bench, bytes(40 * MIB))
        assert disk.done.count("datasync") >= 2
        await part.discard()


async def test_space_that_is_promised_to_one_part_is_not_promised_to_another(tmp_path: Path) -> None:
    disk = RecordingDisk(Space(free=100 * MIB, used=0, total=100 * MIB))
    async with workbench(tmp_path / "data", disk=disk) as bench:
        first = await bench.store.open_part(PART)
        await first.expect(60 * MIB, "")
        second = await bench.store.open_part(replace(PART, key="cd"))
        with pytest.raises(StorageFull, match="promised"):
            await second.expect(60 * MIB, "")
        await first.discard()
        await second.expect(60 * MIB, "")
        await second.discard()


async def test_a_blob_with_other_bytes_of_the_same_size_is_not_used(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None
        spoil(Path(done.published.blob_path))
        with pytest.raises(ImageChanged, match="was changed"):
            await bench.store.find(f"sha256:{SHA256}")


async def test_a_rotten_blob_does_not_stand_for_the_bytes_that_came(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None
        spoil(Path(done.published.blob_path))
        await bench.journal.run(lambda c: c.execute("DELETE FROM published"))
        again = await bench.finish(order())
        assert again.published is not None, again.failure
        assert content(again.published.blob_path) == IMAGE


def spoil(blob: Path) -> None:
    """One bit of it is another one from now on."""
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(bytes([IMAGE[2 * MIB] ^ 1]))
    os.utime(blob, ns=(0, 0))


class FailingDisk(Disk):
    """Syncs every MiB; fails the sync it is told to, and what was written stays visible."""

    sync_every = MIB

    def __init__(self, fails: str) -> None:
        self.fails = fails
        self.synced = 0

    def datasync(self, fd: int) -> None:
        if self.fails == "datasync" and self.synced:
            raise OSError(errno.EIO, "made to fail")
        super().datasync(fd)
        self.synced = os.fstat(fd).st_size

    def sync(self, fd: int) -> None:
        if self.fails == "sync" and self.synced:
            raise OSError(errno.EIO, "made to fail")
        super().sync(fd)


async def taken(bench: Workbench, part: Part) -> None:
    await part.expect(len(IMAGE), "")
    await part.write(IMAGE[:-CLUSTER])
    await bench.store.publish(part, publication(await part.finish()))


@pytest.mark.parametrize("fails", ["datasync", "sync"])
async def test_after_a_failed_sync_only_what_was_synced_before_is_gone_on_with(
    tmp_path: Path, fails: str
) -> None:
    disk = FailingDisk(fails)
    async with workbench(tmp_path / "data", disk=disk) as bench:
        part = await bench.store.open_part(PART)
        with pytest.raises(StorageIo):
            await taken(bench, part)
        await part.checkpoint()
        await part.close()
        # The page cache shows more.
        assert MIB <= disk.synced < bench.layout.part("ab").stat().st_size
        again = await bench.store.open_part(PART)
        assert again.offset == disk.synced
        await again.discard()


async def test_a_found_blob_is_durable_before_its_record(tmp_path: Path) -> None:
    disk = RecordingDisk()
    async with workbench(tmp_path / "data", disk=disk) as bench:
        blob = bench.layout.blob(SHA256)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(IMAGE)
        disk.done.clear()
        facts = ImageFacts(format=ImageFormat.QCOW2, virtual_size_bytes=1 << 30)
        unproved = Evidence(level=TrustLevel.UNVERIFIED)
        assert await bench.store.adopt(f"sha256:{SHA256}", facts, unproved) is not None
        assert disk.done[:3] == ["sync", f"sync {blob.parent.name}/", f"sync {blob.parent.parent.name}/"]


async def test_nothing_of_an_earlier_output_is_in_the_next(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        bench.layout.part("ab").write_bytes(IMAGE)
        earlier = bench.layout.blobs / "blob"
        os.link(bench.layout.part("ab"), earlier)
        output = await bench.store.open_output("ab")
        os.pwrite(output.fd, b"another file", 0)
        assert bench.layout.part("ab").read_bytes() == b"another file"
        assert earlier.read_bytes() == IMAGE
        await output.discard()
