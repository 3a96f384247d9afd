"""VMs' disks over their life: grown, rebased, kept and taken back, with real files and the real qemu-img."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import (
    DiskShrinks,
    DiskTaskInterrupted,
    DiskTooSmall,
    ImageNotReady,
    InvalidRequest,
    RebaseRefused,
    SnapshotExists,
    StorageFull,
    UnknownSnapshot,
    VmBusy,
    VmRunning,
)
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing
from image_library.domain.vm_disk import DiskTaskState
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.qemu_img import QemuImgChanges
from image_library.node.adapters.qemu_img.disks import room_for
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import DIGEST, Daemon, image_at, order
from tests.integration.node.vms.test_flatten import base_at, folder, information, made_over_a_base, run, write

MIB = 1 << 20
NEWER = "sha256:" + "b" * 64
Told = Callable[[float], None]


def newer_at(path: Path, *, size: int = 8 * MIB) -> Path:
    """Another version: other bytes, fewer bytes, and bytes where the first has none."""
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(size))
    write(path, "write -P 0x11 0 1M", "write -P 0x55 3M 2M", "write -P 0x66 7M 1M")
    return path


async def on_two_versions(start_daemon: StartDaemon, tmp_path: Path, *, size: int = 8 * MIB) -> Daemon:
    daemon = await made_over_a_base(start_daemon, base_at(tmp_path / "base.qcow2"))
    newer = image_at(newer_at(tmp_path / "newer.qcow2", size=size), ImageFormat.QCOW2, size)
    daemon.images.add(replace(newer, digest=NEWER))
    return daemon


def seen(path: Path, target: Path) -> Path:
    """All that the guest sees of a disk, as one file that stays."""
    run("qemu-img", "convert", "-O", "raw", str(path), str(target))
    return target


async def disk_of(daemon: Daemon) -> Path:
    [record] = await daemon.journaled()
    return folder(daemon) / record.machine.disk


def files(daemon: Daemon) -> set[str]:
    return {path.name for path in folder(daemon).iterdir() if path.suffix != ".iso"}


async def snapshots(daemon: Daemon) -> list[str]:
    [record] = await daemon.journaled()
    return [kept.snapshot.name for kept in record.machine.snapshots]


@pytest.mark.parametrize("size", [8 * MIB, 12 * MIB], ids=["same", "larger"])
async def test_a_rebased_disk_shows_every_byte_as_before(
    start_daemon: StartDaemon, tmp_path: Path, size: int
) -> None:
    daemon = await on_two_versions(start_daemon, tmp_path, size=size)
    before = seen(await disk_of(daemon), tmp_path / "before.raw")
    await daemon.disks.begin_rebase("vm-1", NEWER)
    report = await daemon.until_task("vm-1", DiskTaskState.DONE)
    disk = await disk_of(daemon)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(before), str(disk))
    assert information(disk)["backing-filename"] == str(tmp_path / "newer.qcow2")
    assert report.disk is not None
    assert report.disk.base_digest == NEWER
    assert report.disk.digests == {DIGEST, NEWER}


async def test_the_disk_before_a_rebase_is_kept_and_keeps_its_image(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = await on_two_versions(start_daemon, tmp_path)
    before = seen(await disk_of(daemon), tmp_path / "before.raw")
    await daemon.disks.begin_rebase("vm-1", NEWER)
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    assert await daemon.vms.users_of(DIGEST) == ("vm-1",)
    assert await daemon.vms.users_of(NEWER) == ("vm-1",)
    [name] = await snapshots(daemon)
    write(await disk_of(daemon), "write -P 0x77 0 8M")
    await daemon.disks.begin_revert("vm-1", name)
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(before), str(await disk_of(daemon)))
    assert await daemon.vms.users_of(NEWER) == ()
    await daemon.disks.delete_snapshot("vm-1", name)
    assert await daemon.vms.users_of(DIGEST) == ("vm-1",)
    assert files(daemon) == {"disk-2.qcow2"}


async def test_only_what_is_safe_is_rebased(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = await on_two_versions(start_daemon, tmp_path)
    with pytest.raises(RebaseRefused, match="already"):
        await daemon.disks.begin_rebase("vm-1", DIGEST)
    with pytest.raises(ImageNotReady):
        await daemon.disks.begin_rebase("vm-1", "sha256:" + "c" * 64)
    await daemon.vms.start("vm-1")
    for refused in (
        daemon.disks.begin_rebase("vm-1", NEWER),
        daemon.disks.flatten("vm-1"),
        daemon.disks.begin_snapshot("vm-1", "one"),
    ):
        with pytest.raises(VmRunning):
            await refused
    await daemon.vms.force_stop("vm-1")
    await daemon.disks.flatten("vm-1")
    with pytest.raises(RebaseRefused, match="not built on an image"):
        await daemon.disks.begin_rebase("vm-1", NEWER)


async def test_a_result_that_reads_otherwise_is_not_taken(start_daemon: StartDaemon, tmp_path: Path) -> None:
    """As where a fault of qemu's lets a rebase change a byte."""
    daemon = await on_two_versions(start_daemon, tmp_path)
    [record] = await daemon.journaled()
    real = shutil.which("qemu-img")
    faulty = tmp_path / "bin/qemu-img"
    faulty.parent.mkdir()
    faulty.write_text(f'#!/bin/sh\n[ "$1 $2" = "rebase -p" ] && exit 0\nexec {real} "$@"\n')
    faulty.chmod(0o755)
    new = Backing(path=str(tmp_path / "newer.qcow2"), format=ImageFormat.QCOW2, digest=NEWER)
    target = folder(daemon) / "disk-1.qcow2"
    with pytest.raises(RebaseRefused, match="otherwise"):
        await QemuImgChanges(Jail(Wall.NONE), search_path=str(faulty.parent)).rebase(
            str(await disk_of(daemon)),
            str(target),
            old=record.machine.backing,
            new=new,
            told=lambda share: None,
        )
    assert files(daemon) == {"disk.qcow2"}


async def test_a_snapshot_is_the_disk_as_it_was(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = await made_over_a_base(start_daemon, base_at(tmp_path / "base.qcow2"))
    before = seen(await disk_of(daemon), tmp_path / "before.raw")
    await daemon.disks.begin_snapshot("vm-1", "one")
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    write(await disk_of(daemon), "write -P 0x77 0 8M")
    await daemon.disks.grow("vm-1", 16 * MIB)
    for name, error in (("one", SnapshotExists), ("../one", InvalidRequest)):
        with pytest.raises(error):
            await daemon.disks.begin_snapshot("vm-1", name)
    with pytest.raises(UnknownSnapshot):
        await daemon.disks.begin_revert("vm-1", "two")
    await daemon.disks.begin_revert("vm-1", "one")
    report = await daemon.until_task("vm-1", DiskTaskState.DONE)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(before), str(await disk_of(daemon)))
    assert report.disk is not None
    assert report.disk.size_bytes == 8 * MIB
    assert report.disk.snapshots[0].stored_bytes > 0


async def test_a_flattened_vm_still_needs_what_its_snapshots_need(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.disks.begin_snapshot("vm-1", "one")
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    await daemon.disks.flatten("vm-1")
    assert await daemon.vms.users_of(DIGEST) == ("vm-1",)
    await daemon.disks.delete_snapshot("vm-1", "one")
    assert await daemon.vms.users_of(DIGEST) == ()


async def test_a_stopped_vms_disk_grows_and_never_shrinks(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.disks.grow("vm-1", 64 * MIB)
    await daemon.disks.grow("vm-1", 64 * MIB)
    assert information(await disk_of(daemon))["virtual-size"] == 64 * MIB
    for size, error in ((32 * MIB, DiskShrinks), (0, DiskTooSmall), (1 << 60, DiskTooSmall)):
        with pytest.raises(error):
            await daemon.disks.grow("vm-1", size)
    # Also where the record does not know how large it is, as after a kill between the two.
    with pytest.raises(DiskShrinks):
        await QemuImgChanges(Jail(best_wall())).grow(str(await disk_of(daemon)), 32 * MIB)
    assert information(await disk_of(daemon))["virtual-size"] == 64 * MIB


async def test_a_running_vms_disk_grows_below_it(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    await daemon.disks.grow("vm-1", 64 * MIB)
    report = daemon.vms.status("vm-1")
    assert report.disk is not None
    assert report.disk.size_bytes == 64 * MIB
    await daemon.vms.force_stop("vm-1")
    assert information(await disk_of(daemon))["virtual-size"] == 64 * MIB


class Waiting(QemuImgChanges):
    """Copies as far as the middle, and waits there."""

    def __init__(self) -> None:
        super().__init__(Jail(best_wall()))
        self.there = asyncio.Event()

    async def copy(self, source: str, target: str, *, told: Told) -> int:
        await asyncio.to_thread(Path(f"{target}.new").write_bytes, b"half")
        told(0.5)
        self.there.set()
        await asyncio.Event().wait()
        return 0


@pytest.fixture
async def waiting(start_daemon: StartDaemon) -> Daemon:
    """A daemon in the middle of making a snapshot."""
    changer = Waiting()
    daemon = await start_daemon(changer=changer)
    await daemon.vms.create(order())
    await daemon.disks.begin_snapshot("vm-1", "one")
    await changer.there.wait()
    return daemon


async def test_work_is_told_and_keeps_others_away(waiting: Daemon) -> None:
    report = waiting.vms.status("vm-1")
    assert report.disk is not None
    assert report.disk.task is not None
    assert (report.disk.task.live, report.disk.task.percent) == (True, 50)
    for refused in (
        waiting.vms.start("vm-1"),
        waiting.disks.grow("vm-1", 64 * MIB),
        waiting.disks.begin_snapshot("vm-1", "two"),
        waiting.disks.flatten("vm-1"),
    ):
        with pytest.raises(VmBusy, match="snapshot") as busy:
            await refused
        assert "vms cancel vm-1" in busy.value.remedy


async def test_cancelled_work_leaves_nothing(waiting: Daemon) -> None:
    await waiting.tasks.cancel("vm-1")
    await waiting.until_task("vm-1", DiskTaskState.CANCELLED)
    assert files(waiting) == {"disk.qcow2"}
    assert await snapshots(waiting) == []
    await waiting.tasks.cancel("vm-1")
    await waiting.vms.start("vm-1")


async def test_a_vm_that_is_worked_on_can_be_deleted(waiting: Daemon) -> None:
    await waiting.vms.delete("vm-1")
    assert not folder(waiting).exists()


async def test_after_a_dead_daemon_the_next_one_clears_and_says_so(
    waiting: Daemon, start_daemon: StartDaemon
) -> None:
    daemon = await start_daemon()
    report = await daemon.until_task("vm-1", DiskTaskState.FAILED)
    assert report.disk is not None
    assert report.disk.task is not None
    assert report.disk.task.failure is not None
    assert report.disk.task.failure.code == DiskTaskInterrupted.code
    assert files(daemon) == {"disk.qcow2"}
    await daemon.vms.start("vm-1")


async def test_whoever_waits_for_work_that_is_cancelled_is_told(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    flattening = await daemon.disks.begin_flatten("vm-1")
    assert flattening is not None
    await daemon.tasks.cancel("vm-1")
    with pytest.raises(DiskTaskInterrupted):
        await flattening


async def test_a_copy_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    await room_for(1, tmp_path)
    with pytest.raises(StorageFull, match="must stay free"):
        await room_for(1 << 60, tmp_path)


async def test_what_was_kept_for_a_time_goes_when_it_is_over(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = await on_two_versions(start_daemon, tmp_path)
    await daemon.disks.begin_rebase("vm-1", NEWER)
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    await daemon.disks.begin_snapshot("vm-1", "mine")
    await daemon.until_task("vm-1", DiskTaskState.DONE)
    await daemon.disks.expire()
    assert len(await snapshots(daemon)) == 2
    [record] = await daemon.journaled()
    [kept, mine] = record.machine.snapshots
    old = replace(kept, snapshot=replace(kept.snapshot, expires_at=kept.snapshot.created_at))
    await daemon.remember(record.with_machine(snapshots=(old, mine)))
    daemon = await start_daemon()
    await daemon.disks.expire()
    assert await snapshots(daemon) == ["mine"]
    assert await daemon.vms.users_of(DIGEST) == ()


async def test_a_disk_that_had_grown_when_the_node_was_killed_is_known_to_be_larger(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    base = base_at(tmp_path / "base.qcow2")
    daemon = await made_over_a_base(start_daemon, base)
    run("qemu-img", "resize", "-q", "-f", "qcow2", str(await disk_of(daemon)), str(12 * MIB))
    daemon = await start_daemon(image=image_at(base, ImageFormat.QCOW2, 8 * MIB))
    report = daemon.vms.status("vm-1")
    assert report.disk is not None
    assert report.disk.size_bytes == 12 * MIB
    [record] = await daemon.journaled()
    assert record.machine.disk_bytes == 12 * MIB


async def test_a_disk_that_cannot_be_measured_keeps_nobody_from_starting(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    base = base_at(tmp_path / "base.qcow2")
    daemon = await made_over_a_base(start_daemon, base)
    (await disk_of(daemon)).write_bytes(b"no header")
    daemon = await start_daemon(image=image_at(base, ImageFormat.QCOW2, 8 * MIB))
    report = daemon.vms.status("vm-1")
    assert report.disk is not None
    assert report.disk.size_bytes == 8 * MIB
