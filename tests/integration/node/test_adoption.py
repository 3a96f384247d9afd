"""An operator's own file becomes a published image, whatever happens on the way."""

# Small files, and nobody else waits for the loop.
# ruff: noqa: ASYNC240
from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.store import Download, DownloadOrder
from image_library.domain.trust import TrustLevel
from tests.fakes.node_images import Qcow2, iso, raw_disk
from tests.fakes.node_workbench import Workbench, mode, order, publish, workbench
from tests.support.mirror import Mirror

IMAGE = Qcow2().file()
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"


def put(bench: Workbench, name: str = "golden.qcow2", data: bytes = IMAGE) -> Path:
    path = bench.layout.cloud_images / name
    path.write_bytes(data)
    return path


def adoption(path: Path, **changes: Any) -> DownloadOrder:
    facts: dict[str, Any] = {"url": "", "checksum_url": "", "unverified": True, "adopt_path": str(path)}
    return order(path.name, **(facts | changes))


async def adopted(bench: Workbench, path: Path) -> Download:
    done = await bench.finish(adoption(path))
    assert done.state is JobState.READY, done.failure
    return done


async def listed(bench: Workbench) -> list[tuple[str, str]]:
    return [(image.filename, image.checksum) for image in (await bench.scan.inventory()).images]


async def test_the_very_file_becomes_the_image_under_its_own_name(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench)
        done = await adopted(bench, path)
        image = done.published
        assert image is not None
        assert (image.digest, image.size_bytes, image.link_path) == (DIGEST, len(IMAGE), str(path))
        assert (image.evidence.level, image.evidence.actual) == (TrustLevel.UNVERIFIED, DIGEST[7:])
        blob = Path(image.blob_path)
        assert (blob.stat().st_ino, mode(str(path))) == (path.stat().st_ino, 0o444)
        assert await listed(bench) == [("golden.qcow2", DIGEST)]
        assert (await bench.store.find_by_path(str(path))) == image


async def test_it_stays_so_after_a_restart(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        await adopted(bench, put(bench))
    async with workbench(tmp_path / "data") as bench:
        assert await listed(bench) == [("golden.qcow2", DIGEST)]
        assert [path.name for path in bench.layout.cloud_images.glob("[!.]*")] == ["golden.qcow2"]


async def test_deleting_the_image_deletes_the_file_that_it_is(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench)
        await adopted(bench, path)
        await bench.store.remove(DIGEST)
        assert (path.exists(), await listed(bench)) == (False, [])


async def test_another_file_that_took_the_name_is_a_file_of_its_own(tmp_path: Path) -> None:
    other = Qcow2().file(seed=2)
    async with workbench(tmp_path / "data") as bench:
        path = put(bench)
        await adopted(bench, path)
        path.unlink()
        put(bench, data=other)
        assert await bench.store.find_by_path(str(path)) is None
        assert sorted(await listed(bench)) == [("golden.qcow2", ""), ("golden.qcow2", DIGEST)]
        await bench.store.remove(DIGEST)
        assert path.read_bytes() == other


async def test_a_file_with_a_further_name_elsewhere_is_copied(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench)
        backup = tmp_path / "backup.qcow2"
        os.link(path, backup)
        before = mode(str(backup))
        image = (await adopted(bench, path)).published
        assert image is not None
        assert Path(image.blob_path).read_bytes() == IMAGE
        assert (Path(image.blob_path).stat().st_ino != path.stat().st_ino, mode(str(backup))) == (
            True,
            before,
        )
        assert [checksum for _, checksum in await listed(bench)] == [DIGEST]
        assert list(bench.layout.parts.iterdir()) == []


async def test_bytes_that_are_published_already_are_not_doubled(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        fetched = (await bench.finish(order())).published
        image = (await adopted(bench, put(bench))).published
        assert fetched
        assert image
        assert (image.digest, image.link_path) == (fetched.digest, fetched.link_path)
        assert image.evidence.level is TrustLevel.UNVERIFIED
        assert (await bench.store.find(DIGEST)).evidence.level is TrustLevel.CHECKSUM
        assert [checksum for _, checksum in await listed(bench)] == [DIGEST]


async def test_asking_twice_is_one_job_and_a_known_answer(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        wanted = adoption(put(bench))
        first = await bench.finish(wanted)
        assert await bench.finish(wanted) == first


async def test_a_file_that_is_written_meanwhile_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "data/cloud-images/golden.qcow2"

    async with workbench(tmp_path / "data") as bench:
        put(bench)
        path.chmod(0o640)
        opened = await bench.folder.open(str(path))
        assert opened is not None
        sha256 = await opened.sha256()
        with path.open("ab") as writer:
            writer.write(b"more")
        job = adoption(path)
        with pytest.raises(Exception, match="changed while it was read") as refused:
            await bench.adoption.publish(opened, sha256, key="k", complete=lambda _: ())
        assert getattr(refused.value, "code", "") == "image.changed"
        await opened.close()
        assert mode(str(path)) == 0o640
        assert await listed(bench) == [("golden.qcow2", "")]
        assert (await bench.finish(job)).state is JobState.READY


async def test_another_file_under_the_name_is_noticed(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench)
        opened = await bench.folder.open(str(path))
        assert opened is not None
        sha256 = await opened.sha256()
        path.rename(path.with_name(".moved"))
        put(bench, data=Qcow2().file(seed=3))
        with pytest.raises(Exception, match="was changed"):
            await bench.adoption.publish(opened, sha256, key="k", complete=lambda _: ())
        await opened.close()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("backed.qcow2", Qcow2(backing_file=b"/etc/shadow").file(), "image.unsafe.backing_file"),
        ("page.qcow2", b"<html><title>Sign in</title>", "image.not_an_image"),
        ("empty.qcow2", b"", "image.not_an_image"),
        ("cd.iso", iso(), "image.unsupported.feature"),
        # Only the second look finds this one.
        ("uncounted.qcow2", Qcow2(refcount_clusters=0).file(), "convert.failed"),
    ],
)
async def test_what_no_vm_may_be_built_on_is_refused(
    tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    async with workbench(tmp_path / "data") as bench:
        path = put(bench, name, data)
        done = await bench.finish(adoption(path))
        assert (done.state, done.failure and done.failure.code) == (JobState.FAILED, code)
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    "where", ["/etc/passwd", "../secret.qcow2", ".hidden.qcow2", "link.qcow2", "gone.qcow2"]
)
async def test_nothing_but_a_file_right_in_the_folder_is_opened(tmp_path: Path, where: str) -> None:
    async with workbench(tmp_path / "data") as bench:
        folder = bench.layout.cloud_images
        (folder.parent / "secret.qcow2").write_bytes(IMAGE)
        (folder / ".hidden.qcow2").write_bytes(IMAGE)
        (folder / "link.qcow2").symlink_to(folder.parent / "secret.qcow2")
        path = where if where.startswith("/") else f"{folder}/{where}"
        done = await bench.finish(adoption(Path("x.qcow2"), adopt_path=path))
        assert (done.state, done.failure and done.failure.code) == (JobState.FAILED, "path.outside")


async def test_a_raw_disk_is_adopted_as_what_it_is(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        image = (await adopted(bench, put(bench, "disk.img", raw_disk()))).published
        assert image is not None
        assert image.facts.format is ImageFormat.RAW


async def test_an_adoption_that_was_broken_off_is_gone_on_with(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        wanted = adoption(put(bench))
        await bench.downloads.start(wanted)
    async with workbench(tmp_path / "data") as bench:
        assert (await bench.ended(wanted.job_id)).state is JobState.READY
        assert await listed(bench) == [("golden.qcow2", DIGEST)]
