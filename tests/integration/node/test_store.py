"""The store: whose it is, what lies in it, and what it says when that changed."""

# Small files, and nobody else waits for the loop.
# ruff: noqa: ASYNC240
from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path

import pytest

from image_library.domain.errors import (
    DataDirBusy,
    ImageChanged,
    ImageFileMissing,
    ImageNotReady,
    StoreChanged,
    StoreNotWritable,
)
from image_library.domain.store import PublishedImage
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.store.identity import prepare
from image_library.node.adapters.store.layout import Layout
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, Workbench, content, order, publish, workbench
from tests.support.mirror import Mirror

IMAGE = Qcow2().file()
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"


async def published(bench: Workbench) -> PublishedImage:
    done = await bench.finish(order())
    assert done.published is not None, done.failure
    return done.published


def edit(path: str, change: bytes) -> None:
    """As somebody would who does not know better."""
    file = Path(path)
    file.chmod(0o644)
    with file.open("ab") as opened:
        opened.write(change)


async def test_one_daemon_has_a_directory(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data"):
        with pytest.raises(DataDirBusy):
            async with workbench(tmp_path / "data"):
                pytest.fail("two daemons in one directory")
    async with workbench(tmp_path / "data"):
        pass


async def test_a_store_and_its_node_keep_their_names(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        first = (bench.store.store_id, bench.node_id)
    async with workbench(tmp_path / "data") as bench:
        assert (bench.store.store_id, bench.node_id) == first


async def test_another_store_under_the_same_journal_is_noticed(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        bench.layout.store_id.write_text("f" * 8 + "\n")
        with pytest.raises(StoreChanged):
            await bench.store.check()
    with pytest.raises(StoreChanged):
        async with workbench(tmp_path / "data"):
            pytest.fail("a foreign store was taken")


async def test_a_copy_without_its_store_id_is_another_node(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        first = (bench.store.store_id, bench.node_id)
        bench.layout.store_id.unlink()
    async with workbench(tmp_path / "data") as bench:
        assert bench.store.store_id != first[0]
        assert bench.node_id != first[1]


async def test_images_that_are_not_mounted_are_not_gone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with workbench(data):
        pass
    (data / "blobs").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreChanged):
        async with workbench(data):
            pytest.fail("an empty mount point was taken for the store")


async def test_a_node_that_lost_its_journal_is_still_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with workbench(data) as bench:
        first = (bench.store.store_id, bench.node_id)
        epoch = (await bench.scan.inventory()).epoch
    for file in data.glob("journal.db*"):
        file.unlink()
    async with workbench(data) as bench:
        assert (bench.store.store_id, bench.node_id) == first
        assert (await bench.scan.inventory()).epoch != epoch


async def test_images_that_are_not_mounted_are_not_gone_without_a_journal_either(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with workbench(data):
        pass
    for file in data.glob("journal.db*"):
        file.unlink()
    (data / "blobs").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreChanged):
        async with workbench(data):
            pytest.fail("an empty mount point was taken for the store")


async def test_an_operator_may_take_what_is_there_for_the_store(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with workbench(data) as bench:
        store_id, node_id = bench.store.store_id, bench.node_id
    (data / "blobs").rename(tmp_path / "elsewhere")
    shutil.rmtree(data / "cloud-images")
    async with workbench(data, accept_store=True) as bench:
        accepted = bench.store.store_id
        assert (bench.node_id, bench.replaced) == (node_id, (store_id,))
        assert accepted != store_id
        assert (await bench.scan.inventory()).store_id == accepted
    # It holds from then on, and what was given up is still known.
    async with workbench(data) as bench:
        assert (bench.store.store_id, bench.replaced) == (accepted, (store_id,))


async def test_accepting_at_a_first_start_is_a_first_start(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data", accept_store=True) as bench:
        assert bench.replaced == ()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreNotWritable, match=r"file/data cannot be made"):
        prepare(Layout(tmp_path / "file" / "data"))


async def test_a_blob_that_is_gone_or_changed_is_not_used(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        edit(image.blob_path, b"more")
        with pytest.raises(ImageChanged, match=r"disk\.qcow2 was changed"):
            await bench.store.find(DIGEST)
        Path(image.blob_path).unlink()
        with pytest.raises(ImageFileMissing, match=r"disk\.qcow2 is gone"):
            await bench.store.find_by_path(image.link_path)
        assert (await bench.scan.inventory()).errors == ("The file of the image disk.qcow2 is gone.",)
        # Asking for it again brings it back.
        assert content((await published(bench)).blob_path) == IMAGE
        assert (await bench.store.find(DIGEST)).digest == DIGEST


async def test_a_rotten_blob_is_replaced_by_a_new_download(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        edit((await published(bench)).blob_path, b"rot")
        assert content((await published(bench)).blob_path) == IMAGE


async def test_an_image_is_found_by_its_paths_and_by_no_other(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        assert await bench.store.find_by_path(image.link_path) == image
        assert await bench.store.find_by_path(image.blob_path) == image
        data = bench.layout.root
        for other in (
            "/etc/shadow",
            f"{data}/cloud-images/../journal.db",
            f"{data}/cloud-images/other.qcow2",
        ):
            assert await bench.store.find_by_path(other) is None
        with pytest.raises(ImageNotReady):
            await bench.store.find(f"sha256:{'0' * 64}")


async def test_an_operators_file_keeps_its_name(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        own = bench.layout.cloud_images / "disk.qcow2"
        own.write_bytes(b"mine")
        image = await published(bench)
        assert own.read_bytes() == b"mine"
        assert Path(image.link_path).name == f"disk-{DIGEST[7:19]}.qcow2"
        assert content(image.link_path) == IMAGE


async def test_two_versions_under_one_name_stand_side_by_side(tmp_path: Path, mirror: Mirror) -> None:
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        publish(mirror, IMAGE)
        first = await published(bench)
        newer = Qcow2().file(seed=2)
        publish(mirror, newer)
        second = await published(bench)
        assert first.link_path != second.link_path
        assert (content(first.link_path), content(second.link_path)) == (IMAGE, newer)


async def test_lost_links_come_back_at_the_next_start(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        link = Path((await published(bench)).link_path)
        link.unlink()
        (link.parent / "stale.qcow2").symlink_to(bench.layout.link_target("0" * 64))
    async with workbench(tmp_path / "data") as bench:
        assert content(str(link)) == IMAGE
        assert [path.name for path in link.parent.glob("[!.]*")] == ["disk.qcow2"]
        link.unlink()
        link.write_bytes(b"somebody took the name")
    async with workbench(tmp_path / "data") as bench:
        image = await bench.store.find(DIGEST)
        assert Path(image.link_path).name == f"disk-{DIGEST[7:19]}.qcow2"
        assert content(image.link_path) == IMAGE


async def test_removing_takes_file_link_and_record(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        image = await published(bench)
        await bench.store.remove(DIGEST)
        assert not list(bench.layout.cloud_images.glob("[!.]*"))
        assert not Path(image.blob_path).exists()
        with pytest.raises(ImageNotReady):
            await bench.store.find(DIGEST)
        await bench.store.remove(DIGEST)


async def test_a_lost_journal_does_not_lose_images(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        await published(bench)
        rotten = bench.layout.blob("f" * 64)
        rotten.parent.mkdir(exist_ok=True)
        rotten.write_bytes(IMAGE)
    for journal in (tmp_path / "data").glob("journal.db*"):
        journal.unlink()
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert await bench.scan.adopt_orphans() == 1
        image = await bench.store.find(DIGEST)
        assert image.evidence.level is TrustLevel.UNVERIFIED
        assert Path(image.link_path).name == "disk.qcow2"
        assert not rotten.exists()
        # A download proves it again.
        proved = order(checksum_url="", checksum_algorithm="sha256", digest=DIGEST.removeprefix("sha256:"))
        done = await bench.finish(proved)
        assert done.published is not None
        assert done.published.evidence.level is TrustLevel.PINNED
        assert len(mirror.exchanges(f"{PUBLISHER}/disk.qcow2")) == 1


async def test_parts_that_nobody_wants_are_dropped(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        (bench.layout.parts / "0123.part").write_bytes(b"left over")
    async with workbench(tmp_path / "data") as bench:
        assert list(bench.layout.parts.iterdir()) == []


async def test_publishing_the_same_bytes_twice_at_once_is_one_image(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    publish(mirror, IMAGE, filename="copy.qcow2", algorithm="sha256")
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        pinned = DIGEST.removeprefix("sha256:")
        orders = [
            order(name, checksum_url="", checksum_algorithm="sha256", digest=pinned)
            for name in ("disk.qcow2", "copy.qcow2")
        ]
        done = await asyncio.gather(*map(bench.finish, orders))
        assert [d.published.digest if d.published else "" for d in done] == [DIGEST, DIGEST]
        assert len(list(bench.layout.cloud_images.glob("[!.]*"))) == 1
