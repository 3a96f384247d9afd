"""What a scan of the image folder finds, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from image_library.domain.errors import StoreChanged
from image_library.domain.inventory import ReportedImage
from tests.fakes.node_images import Qcow2, raw_disk
from tests.fakes.node_workbench import Workbench, order, publish, workbench
from tests.support.mirror import Mirror

IMAGE = Qcow2().file()


def put(bench: Workbench, name: str, data: bytes) -> Path:
    path = bench.layout.cloud_images / name
    path.write_bytes(data)
    return path


async def listed(bench: Workbench) -> dict[str, ReportedImage]:
    return {image.filename: image for image in (await bench.scan.inventory()).images}


async def test_lists_operators_images_with_what_their_names_and_headers_say(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench, "jammy-server-cloudimg-amd64.img", IMAGE)
        put(bench, "disk.raw", bytes(4096))
        put(bench, "unknown.img", raw_disk())
        images = await listed(bench)
        jammy = images["jammy-server-cloudimg-amd64.img"]
        assert (jammy.path, jammy.format, jammy.virtual_size_bytes) == (str(path), "qcow2", 1 << 30)
        assert (jammy.detected_os.distribution, jammy.detected_os.version) == ("ubuntu", "22.04")
        assert jammy.checksum == ""
        assert images["disk.raw"].format == "raw"
        assert images["unknown.img"].detected_os.distribution == ""


async def test_published_images_are_listed_once_with_their_digest(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(order())
        assert done.published is not None
        images = await listed(bench)
        assert list(images) == ["disk.qcow2"]
        assert images["disk.qcow2"].checksum == done.published.digest


async def test_leaves_alone_what_is_hidden_or_no_regular_file(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        folder = bench.layout.cloud_images
        outside = tmp_path / "outside.qcow2"
        outside.write_bytes(IMAGE)
        put(bench, ".half.qcow2", IMAGE)
        (folder / "link.qcow2").symlink_to(outside)
        (folder / "broken.qcow2").symlink_to("nowhere")
        (folder / "folder.qcow2").mkdir()
        os.mkfifo(folder / "pipe.qcow2")
        inventory = await bench.scan.inventory()
        assert inventory.images == ()
        assert inventory.errors == ("folder.qcow2 is no regular file.", "pipe.qcow2 is no regular file.")


async def test_a_bad_file_is_a_sentence_not_the_end(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        put(bench, "a.qcow2", b"<!DOCTYPE html><title>Sign in</title>")
        put(bench, "b.qcow2", Qcow2(backing_file=b"/etc/shadow").file())
        put(bench, "c.qcow2", b"")
        put(bench, "d.qcow2", IMAGE)
        put(bench, "notes.txt", b"hello")
        inventory = await bench.scan.inventory()
        assert [image.filename for image in inventory.images] == ["d.qcow2"]
        assert inventory.errors == (
            'a.qcow2 is a web page with the title "Sign in", not a disk image.',
            "b.qcow2 has the backing file '/etc/shadow'.",
            "c.qcow2 is empty.",
            "notes.txt is no disk image of a known format.",
        )


async def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        put(bench, "a.qcow2", IMAGE)
        assert (await listed(bench))["a.qcow2"].virtual_size_bytes == 1 << 30
        fresh = put(bench, ".a.new", Qcow2(virtual_size=2 << 30).file())
        fresh.rename(bench.layout.cloud_images / "a.qcow2")
        assert (await listed(bench))["a.qcow2"].virtual_size_bytes == 2 << 30
        (bench.layout.cloud_images / "a.qcow2").unlink()
        assert await listed(bench) == {}


async def test_a_known_file_is_not_read_again_even_after_a_restart(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench, "a.qcow2", IMAGE)
        before = await listed(bench)
    seen = path.stat()
    with path.open("r+b") as file:
        file.write(Qcow2(virtual_size=2 << 30).header())
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    async with workbench(tmp_path / "data") as bench:
        assert await listed(bench) == before


async def test_a_scan_that_finds_nothing_new_writes_nothing(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        put(bench, "a.qcow2", IMAGE)
        await bench.folder.files()
        written = await bench.journal.run(lambda c: c.total_changes)
        await bench.folder.files()
        assert await bench.journal.run(lambda c: c.total_changes) == written


async def test_a_store_that_is_not_there_is_not_empty(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        bench.layout.store_id.write_text("another\n")
        with pytest.raises(StoreChanged):
            await bench.scan.inventory()


async def test_names_that_cannot_be_shown_and_odd_times_do_not_stop_a_scan(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        put(bench, "a\udcff.qcow2", IMAGE)
        put(bench, "b\x1b[2J.qcow2", IMAGE)
        os.utime(put(bench, "c.qcow2", IMAGE), (0, 2**40))
        inventory = await bench.scan.inventory()
        assert [image.filename for image in inventory.images] == ["c.qcow2"]
        assert inventory.errors == (
            "The file name 'a\\udcff.qcow2' has characters that cannot be shown.",
            "The file name 'b\\u001b[2J.qcow2' has characters that cannot be shown.",
        )
