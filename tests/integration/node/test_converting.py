"""Downloads of images that become others on the way: in every format, packed in every way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.conversion import Compression, DiskInside, DiskReport, Packing, Shape
from image_library.domain.errors import ConvertKilled, StorageFull
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.store import Download, PublishedImage
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.ports.conversion import Tell
from tests.fakes.node_images import raw_disk
from tests.fakes.node_workbench import PUBLISHER, Workbench, content, order, publish, workbench
from tests.support.disks import MIB, SIZE, appliance, disk, driver, packed, run, same
from tests.support.mirror import Mirror

QCOW2 = Shape(format=ImageFormat.QCOW2)
DISKS = [f for f in ImageFormat if f not in (ImageFormat.ISO, ImageFormat.OVA)]


class Watched:
    """The real converter, which stops before it converts until it is let go on."""

    def __init__(self) -> None:
        self.real = QemuImgImages(Jail(best_wall()))
        self.converting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fails: Exception | None = None

    async def examine(self, descriptor: int, disk: DiskInside, *, name: str) -> DiskReport:
        return await self.real.examine(descriptor, disk, name=name)

    async def measure(self, descriptor: int, disk: DiskInside, shape: Shape, *, virtual_size: int) -> int:
        return await self.real.measure(descriptor, disk, shape, virtual_size=virtual_size)

    async def convert(
        self,
        source: int,
        disk: DiskInside,
        target: int,
        shape: Shape,
        *,
        virtual_size: int,
        most: int,
        told: Tell,
    ) -> None:
        self.converting.set()
        await self.go_on.wait()
        if self.fails is not None:
            raise self.fails
        await self.real.convert(source, disk, target, shape, virtual_size=virtual_size, most=most, told=told)


def image_of(download: Download) -> PublishedImage:
    assert download.published is not None, download.failure
    return download.published


@asynccontextmanager
async def bench_at(tmp_path: Path, mirror: Mirror, **more: Any) -> AsyncGenerator[Workbench]:
    async with workbench(tmp_path / "data", mirror=mirror.base_url, **more) as bench:
        yield bench


@pytest.mark.parametrize("image_format", DISKS)
async def test_every_format_becomes_qcow2(tmp_path: Path, mirror: Mirror, image_format: ImageFormat) -> None:
    source = disk(tmp_path / "source", image_format)
    publish(mirror, source.read_bytes())
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.finish(order(format=image_format, wanted=QCOW2)))
        assert image.facts.format is ImageFormat.QCOW2
        assert image.facts.virtual_size_bytes == SIZE
        assert image.digest == f"sha256:{hashlib.sha256(content(image.blob_path)).hexdigest()}"
        same(source, image_format, Path(image.blob_path), ImageFormat.QCOW2)
        assert Path(image.link_path).name == "disk.qcow2"
        came = source.read_bytes()
        assert image.evidence.level is TrustLevel.CHECKSUM
        assert image.evidence.actual == hashlib.sha512(came).hexdigest()
        if image_format is ImageFormat.QCOW2:
            assert image.converted_from is None
            assert content(image.blob_path) == came
        else:
            assert image.converted_from == ConvertedFrom(
                format=image_format.value,
                digest=f"sha256:{hashlib.sha256(came).hexdigest()}",
                sha512=hashlib.sha512(came).hexdigest(),
                size_bytes=len(came),
                shape="qcow2",
            )
        assert list(bench.layout.parts.iterdir()) == []
        assert await bench.store.find(image.digest) == image


@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("image_format", [ImageFormat.QCOW2, ImageFormat.VMDK, ImageFormat.RAW])
async def test_what_is_packed_is_unpacked_whatever_it_is_called(
    tmp_path: Path, mirror: Mirror, packing: Packing, image_format: ImageFormat
) -> None:
    source = disk(tmp_path / "source", image_format)
    came = packed(source.read_bytes(), packing)
    publish(mirror, came)
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.finish(order(format=image_format, wanted=QCOW2)))
        same(source, image_format, Path(image.blob_path), ImageFormat.QCOW2)
        assert image.converted_from is not None
        assert (image.converted_from.format, image.converted_from.packing) == (
            image_format.value,
            packing.value,
        )
        assert image.evidence.actual == hashlib.sha512(came).hexdigest()
        if image_format is ImageFormat.QCOW2:
            assert content(image.blob_path) == source.read_bytes()
        assert list(bench.layout.parts.iterdir()) == []


async def test_where_the_format_is_to_stay_it_is_only_unpacked(tmp_path: Path, mirror: Mirror) -> None:
    source = disk(tmp_path / "source", ImageFormat.VMDK)
    publish(mirror, packed(source.read_bytes(), Packing.XZ), filename="disk.vmdk")
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.finish(order("disk.vmdk", format=ImageFormat.VMDK)))
        assert content(image.blob_path) == source.read_bytes()
        assert image.converted_from is not None
        assert image.converted_from.shape == "vmdk"


async def test_compressed_inside_where_that_is_wanted(tmp_path: Path, mirror: Mirror) -> None:
    source = disk(tmp_path / "source", ImageFormat.QCOW2)
    publish(mirror, source.read_bytes())
    wanted = Shape(format=ImageFormat.QCOW2, compression=Compression.ZSTD)
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.finish(order(wanted=wanted)))
        assert image.size_bytes < MIB
        same(source, ImageFormat.QCOW2, Path(image.blob_path), ImageFormat.QCOW2)


async def test_the_same_file_once_more_is_not_fetched_again(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, packed(disk(tmp_path / "source", ImageFormat.VMDK).read_bytes(), Packing.GZIP))
    async with bench_at(tmp_path, mirror) as bench:
        first = image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        again = image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        assert again.digest == first.digest
        assert again.converted_from == first.converted_from
        assert len(mirror.exchanges(f"{PUBLISHER}/disk.qcow2")) == 1
        # In another shape it is another image.
        kept = image_of(await bench.finish(order(format=ImageFormat.VMDK)))
        assert kept.digest != first.digest
        await bench.store.remove(first.digest)
        third = image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        assert third.digest == first.digest


async def test_files_that_become_the_same_image_keep_their_own_lineage(
    tmp_path: Path, mirror: Mirror
) -> None:
    plain = disk(tmp_path / "source", ImageFormat.VMDK).read_bytes()
    came = {"plain": plain, "packed": packed(plain, Packing.GZIP)}
    async with bench_at(tmp_path, mirror) as bench:
        images: dict[str, PublishedImage] = {}
        for name in ("plain", "packed", "plain again"):
            publish(mirror, came[name.removesuffix(" again")])
            images[name] = image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        first, second, third = images.values()
        assert first.digest == second.digest == third.digest
        assert first.converted_from != second.converted_from
        # Nothing was fetched for it, and it is told of the file that was asked for.
        assert third.converted_from == first.converted_from
        assert third.converted_from is not None
        assert third.converted_from.digest == f"sha256:{hashlib.sha256(plain).hexdigest()}"
        publish(mirror, await asyncio.to_thread(Path(first.blob_path).read_bytes))
        assert image_of(await bench.finish(order(wanted=QCOW2))).converted_from is None


async def test_the_disk_of_an_appliance_is_converted_and_its_hardware_kept(
    tmp_path: Path, mirror: Mirror
) -> None:
    source = disk(tmp_path / "source", ImageFormat.VMDK, "-o", "subformat=streamOptimized")
    publish(mirror, appliance(source.read_bytes()))
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.finish(order(format=ImageFormat.OVA, wanted=QCOW2)))
        same(source, ImageFormat.VMDK, Path(image.blob_path), ImageFormat.QCOW2)
        assert image.facts.hardware is not None
        assert image.facts.hardware.cpus == 2
        assert image.converted_from is not None
        assert image.converted_from.format == "ova"
        assert image.converted_from.hardware == image.facts.hardware
    # Also as the journal tells it after a restart.
    async with bench_at(tmp_path, mirror) as bench:
        [kept], _ = await bench.store.published()
        assert kept.converted_from == image.converted_from


async def test_one_layer_only(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, packed(packed(raw_disk(), Packing.XZ), Packing.GZIP))
    async with bench_at(tmp_path, mirror) as bench:
        download = await bench.finish(order(wanted=QCOW2))
        assert download.failure is not None
        assert download.failure.code == "image.archive.unsupported"
        assert list(bench.layout.parts.iterdir()) == []


async def test_zip_and_7z_are_refused_early(tmp_path: Path, mirror: Mirror) -> None:
    for beginning in (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c"):
        publish(mirror, beginning + bytes(5000))
        async with bench_at(tmp_path, mirror) as bench:
            download = await bench.finish(order(wanted=QCOW2))
            assert download.failure is not None
            assert download.failure.code == "image.archive.unsupported"


async def test_a_packed_image_is_judged_by_what_is_inside(tmp_path: Path, mirror: Mirror) -> None:
    for inside, code in (
        (b"<html><title>Sign in</title>", "image.not_an_image"),
        (raw_disk(), "image.format_mismatch"),
        (b"", "image.not_an_image"),
    ):
        publish(mirror, packed(inside, Packing.ZSTD))
        async with bench_at(tmp_path, mirror) as bench:
            download = await bench.finish(order(wanted=QCOW2))
            assert download.failure is not None
            assert download.failure.code == code
            assert list(bench.layout.parts.iterdir()) == []


async def test_a_raw_disk_that_holds_another_image_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    """A06: what is inside the VMDK is a qcow2 that names a file of the host."""
    inner = tmp_path / "inner"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", str(inner), "1M")
    outer = tmp_path / "outer"
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(inner), str(outer))
    publish(mirror, outer.read_bytes())
    async with bench_at(tmp_path, mirror) as bench:
        wanted = Shape(format=ImageFormat.RAW)
        download = await bench.finish(order(format=ImageFormat.VMDK, wanted=wanted))
        assert download.failure is not None
        assert download.failure.code == "image.format_mismatch"
        assert list(bench.layout.parts.iterdir()) == []


async def test_a_bomb_is_stopped_by_the_largest_size(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, packed(bytes(80 * MIB), Packing.BZIP2))
    async with bench_at(tmp_path, mirror, max_virtual_size=8 * MIB) as bench:
        download = await bench.finish(order(wanted=QCOW2))
        assert download.failure is not None
        assert download.failure.code == "image.decompress.limit"
        assert list(bench.layout.parts.iterdir()) == []


async def test_progress_is_told_and_never_goes_back(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, packed(disk(tmp_path / "source", ImageFormat.VMDK).read_bytes(), Packing.XZ))
    watched = Watched()
    async with bench_at(tmp_path, mirror, converter=watched) as bench:
        asked = order(format=ImageFormat.VMDK, wanted=QCOW2)
        await bench.downloads.start(asked)
        await bench.until(asked.job_id, lambda d: d.state is JobState.CONVERTING and d.progress.percent >= 50)
        watched.go_on.set()
        assert (await bench.ended(asked.job_id)).state is JobState.READY


async def test_cancelled_while_it_converts_it_leaves_only_what_was_fetched(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, disk(tmp_path / "source", ImageFormat.VMDK).read_bytes())
    watched = Watched()
    async with bench_at(tmp_path, mirror, converter=watched) as bench:
        asked = order(format=ImageFormat.VMDK, wanted=QCOW2)
        await bench.downloads.start(asked)
        await watched.converting.wait()
        assert (await bench.downloads.cancel(asked.job_id)).state is JobState.CANCELLED
        [left] = bench.layout.parts.iterdir()
        assert left.stat().st_size == (tmp_path / "source").stat().st_size
        watched.go_on.set()
        again = image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        assert again.facts.format is ImageFormat.QCOW2
        assert len(mirror.exchanges(f"{PUBLISHER}/disk.qcow2")) == 1


async def test_stopped_while_it_converts_it_begins_with_the_verified_file(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, disk(tmp_path / "source", ImageFormat.VMDK).read_bytes())
    watched, asked = Watched(), order(format=ImageFormat.VMDK, wanted=QCOW2)
    async with bench_at(tmp_path, mirror, converter=watched) as bench:
        await bench.downloads.start(asked)
        await watched.converting.wait()
    parts = tmp_path / "data/parts"
    # As a kill would leave it.
    (parts / f"{'0' * 32}-made.part").write_bytes(b"half")
    async with bench_at(tmp_path, mirror) as bench:
        image = image_of(await bench.ended(asked.job_id))
        assert image.facts.format is ImageFormat.QCOW2
        assert len(mirror.exchanges(f"{PUBLISHER}/disk.qcow2")) == 1
        assert list(parts.iterdir()) == []


@pytest.mark.parametrize("fails", [StorageFull("It is full."), ConvertKilled("It was killed.")])
async def test_what_is_good_is_kept_where_converting_fails_for_another_reason(
    tmp_path: Path, mirror: Mirror, fails: Exception
) -> None:
    publish(mirror, disk(tmp_path / "source", ImageFormat.VMDK).read_bytes())
    watched = Watched()
    watched.fails = fails
    watched.go_on.set()
    async with bench_at(tmp_path, mirror, converter=watched) as bench:
        failed = await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2))
        assert failed.state is JobState.FAILED
        watched.fails = None
        assert image_of(await bench.finish(order(format=ImageFormat.VMDK, wanted=QCOW2)))
        assert len(mirror.exchanges(f"{PUBLISHER}/disk.qcow2")) == 1


@pytest.mark.parametrize("image_format", DISKS)
async def test_an_image_of_the_node_is_made_in_another_format(
    tmp_path: Path, mirror: Mirror, image_format: ImageFormat
) -> None:
    source = disk(tmp_path / "source", ImageFormat.QCOW2)
    publish(mirror, source.read_bytes())
    async with bench_at(tmp_path, mirror) as bench:
        known = image_of(await bench.finish(order()))
        wanted = Shape(format=image_format)
        name = f"other.{image_format.value}"
        asked = order(
            name, url="", checksum_url="", unverified=True, convert_digest=known.digest, wanted=wanted
        )
        download = await bench.finish(asked)
        if image_format is ImageFormat.QCOW2:
            assert download.failure is not None
            assert download.failure.code == "convert.needless"
            return
        made = image_of(download)
        same(source, ImageFormat.QCOW2, Path(made.blob_path), image_format)
        assert run("qemu-img", "info", "-f", driver(image_format), made.blob_path)
        assert made.evidence.level is TrustLevel.UNVERIFIED
        assert made.evidence.source == f"converted from {known.digest}"
        assert made.converted_from is not None
        assert made.converted_from.digest == known.digest
        assert made.converted_from.trust is TrustLevel.CHECKSUM
        assert await bench.store.find(known.digest) == known
