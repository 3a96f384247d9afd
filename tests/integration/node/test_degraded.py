"""A store that cannot be relied on: what is begun there, what waits, what says so, and what ends it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import StorageIo, StoreDegraded
from image_library.domain.job import JobState
from image_library.domain.store import Download
from image_library.domain.store_health import Trouble
from image_library.node.adapters.store.disk import Disk
from image_library.node.services.receive_upload import Uploads
from tests.crash.seams import COMMIT, Hook, HookedJournal
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, Workbench, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
URL = f"{PUBLISHER}/disk.qcow2"
SYNC_FAILED = "A sync failed (input/output error)."


class IllDisk(Disk):
    """Its sync fails once, as Linux reports it; while it is read-only, it makes no files."""

    def __init__(self) -> None:
        self.sync_fails = False
        self.read_only = False

    def sync(self, fd: int) -> None:
        if self.sync_fails:
            self.sync_fails = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)

    def create(self, path: Path, *, fresh: bool = False) -> int:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return super().create(path, fresh=fresh)


class Unwritable(Hook):
    """While ``armed``, the journal cannot be written."""

    armed = False

    def before(self, operation: str, args: tuple[Any, ...]) -> None:
        if self.armed and operation == COMMIT:
            error = sqlite3.OperationalError("made to fail")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error


def code(download: Download) -> str:
    assert download.failure is not None, download.state
    return download.failure.code


async def fail_once(bench: Workbench, disk: IllDisk) -> None:
    """A download whose sync fails."""
    disk.sync_fails = True
    assert code(await bench.finish(order())) == "storage.io_error"
    assert list(bench.layout.parts.iterdir()) == []


async def works(bench: Workbench) -> None:
    done = await bench.finish(order())
    assert done.published is not None, done.failure
    assert content(done.published.blob_path) == IMAGE


async def test_one_failed_sync_and_nothing_is_begun_before_an_operator_says_so(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    disk = IllDisk()
    async with workbench(tmp_path / "data", mirror=mirror.base_url, disk=disk) as bench:
        await fail_once(bench, disk)
        degraded = bench.health.degraded
        assert degraded is not None
        assert (degraded.trouble, degraded.reason) == (Trouble.FAILING, SYNC_FAILED)
        asked = len(mirror.exchanges())
        with pytest.raises(StoreDegraded, match="A sync failed"):
            await bench.downloads.start(order())
        with pytest.raises(StoreDegraded):
            await Uploads(store=bench.store, gate=bench.health).open("u", size=MIB, algorithm="sha256")
        # The disk would take it by now: that is no proof.
        await bench.health.look()
        assert bench.health.degraded == degraded
        assert len(mirror.exchanges()) == asked
        await bench.health.resume()
        await works(bench)


async def test_it_is_remembered_over_a_restart_and_jobs_wait(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.HoldAt(2 * MIB))
    data, waits = tmp_path / "data", order()
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.downloads.start(waits)
        await bench.until(waits.job_id, lambda d: d.progress.done > 0)
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
        before = bench.health.degraded
    mirror.heal()
    async with workbench(data, mirror=mirror.base_url) as bench:
        assert before is not None
        assert bench.health.degraded == before
        queued = await bench.until(waits.job_id, lambda d: bool(d.waiting_for))
        assert queued.state is JobState.QUEUED
        assert queued.waiting_for == f"node bench, whose store is degraded (failing): {SYNC_FAILED}"
        await bench.health.resume()
        done = await bench.ended(waits.job_id)
        assert done.published is not None, done.failure
    async with workbench(data) as bench:
        assert bench.health.degraded is None


async def test_a_job_that_waits_can_be_cancelled(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, faults.HoldAt(2 * MIB))
    data, waits = tmp_path / "data", order()
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.downloads.start(waits)
        await bench.until(waits.job_id, lambda d: d.progress.done > 0)
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
    async with workbench(data, mirror=mirror.base_url) as bench:
        await bench.until(waits.job_id, lambda d: bool(d.waiting_for))
        assert (await bench.downloads.cancel(waits.job_id)).state is JobState.CANCELLED


async def test_an_operator_is_not_believed_by_a_disk_that_fails_again(tmp_path: Path) -> None:
    disk = IllDisk()
    async with workbench(tmp_path / "data", disk=disk) as bench:
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
        disk.sync_fails = True
        with pytest.raises(StorageIo):
            await bench.health.resume()
        assert bench.health.degraded is not None
        await bench.health.resume()
        assert bench.health.degraded is None
        # Saying it once more changes nothing.
        await bench.health.resume()


async def test_another_store_in_its_place_is_not_degraded(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
    async with workbench(tmp_path / "data", accept_store=True) as bench:
        assert bench.health.degraded is None


async def test_a_read_only_file_system_ends_by_itself(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    disk = IllDisk()
    async with workbench(tmp_path / "data", mirror=mirror.base_url, disk=disk) as bench:
        await works(bench)
        disk.read_only = True
        assert code(await bench.finish(order(digest="0" * 128, checksum_url=""))) == "storage.not_writable"
        degraded = bench.health.degraded
        assert degraded is not None
        assert (degraded.trouble, degraded.reason) == (Trouble.READ_ONLY, "The file system is read-only.")
        # What is there is used all the same.
        published, problems = await bench.store.published()
        assert (len(published), problems) == (1, ())
        blob = await bench.store.open(published[0].digest)
        assert await blob.read(0, len(IMAGE)) == IMAGE
        await blob.close()
        await bench.health.look()
        with pytest.raises(StoreDegraded, match="read-only"):
            await bench.downloads.start(order())
        disk.read_only = False
        await bench.health.look()
        assert bench.health.degraded is None
        await works(bench)


async def test_a_disk_that_fails_is_worse_than_a_read_only_one(tmp_path: Path) -> None:
    async with workbench(tmp_path / "data") as bench:
        bench.health.failed(Trouble.READ_ONLY, "")
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
        bench.health.failed(Trouble.READ_ONLY, "")
        await bench.health.look()
        degraded = bench.health.degraded
        assert degraded is not None
        assert degraded.trouble is Trouble.FAILING


async def test_what_the_journal_could_not_take_is_told_to_it_later(tmp_path: Path) -> None:
    hook = Unwritable()

    async def opened(path: Path) -> HookedJournal:
        return await HookedJournal.opened(path, hook)

    async with workbench(tmp_path / "data", open_journal=opened) as bench:
        hook.armed = True
        with pytest.raises(StorageIo):
            await bench.journal.run(lambda c: c.execute("INSERT INTO meta VALUES ('a', 'b')"))
        assert bench.health.degraded is not None
        assert bench.health.degraded.reason.startswith("Writing the node's journal failed")
        await bench.health.close()
        hook.armed = False
        await bench.health.look()
        before = bench.health.degraded
    async with workbench(tmp_path / "data") as bench:
        assert bench.health.degraded == before


async def test_a_blob_without_a_record_waits_until_the_store_is_well(tmp_path: Path) -> None:
    path = tmp_path / "data" / "blobs" / "sha256" / SHA256[:2] / SHA256
    async with workbench(tmp_path / "data") as bench:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(IMAGE)
        bench.health.failed(Trouble.FAILING, SYNC_FAILED)
        adopting = asyncio.create_task(bench.scan.adopt_orphans())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(adopting), 1)
        assert (await bench.store.published())[0] == ()
        await bench.health.resume()
        assert await adopting == 1
