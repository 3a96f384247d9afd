"""Disks of their own for VMs, made by the real qemu-img."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import json
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorFailed, StorageFull, UnknownVm, VmRunning
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.qemu_img import QemuImg
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import DIGEST, Daemon, image_at, order
from tests.integration.node.vms.guests import DISK_BYTES, idle_guest

MIB = 1 << 20
JAIL = Jail(best_wall())


def run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def write(path: Path, *commands: str) -> None:
    """As a guest would: patterns, and what it discards."""
    given = [word for command in commands for word in ("-c", command)]
    run("qemu-io", "-f", "qcow2", *given, str(path))


def base_at(path: Path, *, size: int = 8 * MIB) -> Path:
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(size))
    write(path, "write -P 0x11 0 4M")
    return path


def information(path: Path) -> dict[str, object]:
    return json.loads(run("qemu-img", "info", "--output=json", str(path)))


def folder(daemon: Daemon) -> Path:
    return daemon.data / "vms" / "vm-1"


async def made_over_a_base(start_daemon: StartDaemon, base: Path) -> Daemon:
    """A VM whose disk shows its base's bytes, bytes of its own, and nothing where it discarded the base's."""
    daemon = await start_daemon(image=image_at(base, ImageFormat.QCOW2, 8 * MIB))
    await daemon.vms.create(order())
    write(folder(daemon) / "disk.qcow2", "write -P 0x22 1M 1M", "write -z 2M 1M", "write -P 0x33 6M 64k")
    return daemon


async def test_the_new_disk_shows_every_byte_and_needs_nobody(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    base = base_at(tmp_path / "base.qcow2")
    daemon = await made_over_a_base(start_daemon, base)
    before = tmp_path / "before.qcow2"
    shutil.copy(folder(daemon) / "disk.qcow2", before)
    await daemon.disks.flatten("vm-1")
    own = folder(daemon) / "disk-1.qcow2"
    run("qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", str(before), str(own))
    assert "backing-filename" not in information(own)
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert {path.name for path in folder(daemon).iterdir()} == {"disk-1.qcow2", "seed.iso"}
    base.unlink()
    run("qemu-io", "-f", "qcow2", "-c", "read -P 0x11 0 1M", "-c", "read -P 0x22 1M 1M", str(own))
    zeros = run("qemu-io", "-f", "qcow2", "-c", "read -P 0 2M 1M", str(own))
    assert "Pattern verification failed" not in zeros


async def test_the_vm_boots_from_it_also_after_a_restart_and_without_its_image(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    base = idle_guest(tmp_path / "base.raw", "hello\r\n")
    image = image_at(base, ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    assert await daemon.vms.users_of(DIGEST) == ("vm-1",)
    await daemon.disks.flatten("vm-1")
    assert await daemon.vms.users_of(DIGEST) == ()
    base.unlink()
    daemon = await start_daemon(image=image)
    await daemon.vms.start("vm-1")
    assert await daemon.until_console("vm-1", b"hello") == b"hello\r\n"


async def test_a_running_vm_is_refused_by_its_name(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    with pytest.raises(VmRunning, match="'vm-1' is not stopped") as refused:
        await daemon.disks.flatten("vm-1")
    assert "vms stop vm-1" in refused.value.remedy
    await daemon.vms.force_stop("vm-1")
    await daemon.disks.flatten("vm-1")
    with pytest.raises(UnknownVm):
        await daemon.disks.flatten("vm-2")


async def test_done_twice_it_is_done_once(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.disks.flatten("vm-1")
    first = (folder(daemon) / "disk-1.qcow2").stat()
    await daemon.disks.flatten("vm-1")
    assert (folder(daemon) / "disk-1.qcow2").stat().st_ino == first.st_ino


async def test_killed_before_the_journal_knows_it_is_made_again(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = await made_over_a_base(start_daemon, base_at(tmp_path / "base.qcow2"))
    own = folder(daemon) / "disk-1.qcow2"
    for left in (own, own.with_name("disk-1.qcow2.new")):
        left.write_bytes(b"half")
    daemon = await start_daemon(image=image_at(tmp_path / "base.qcow2", ImageFormat.QCOW2, 8 * MIB))
    [record] = await daemon.journaled()
    assert (record.machine.flat, record.machine.disk) == (False, "disk.qcow2")
    await daemon.disks.flatten("vm-1")
    assert information(own)["format"] == "qcow2"
    assert not own.with_name("disk-1.qcow2.new").exists()


async def test_killed_before_the_old_disk_went_it_goes_the_next_time(
    daemon: Daemon, start_daemon: StartDaemon
) -> None:
    await daemon.vms.create(order())
    kept = (folder(daemon) / "disk.qcow2").read_bytes()
    await daemon.disks.flatten("vm-1")
    (folder(daemon) / "disk.qcow2").write_bytes(kept)
    daemon = await start_daemon()
    await daemon.disks.flatten("vm-1")
    assert not (folder(daemon) / "disk.qcow2").exists()


@pytest.mark.parametrize(
    ("says", "error"), [("No space left on device", StorageFull), ("It broke", HypervisorFailed)]
)
async def test_where_it_cannot_be_made_the_vm_is_as_it_was(
    daemon: Daemon, tmp_path: Path, says: str, error: type[Exception]
) -> None:
    await daemon.vms.create(order())
    broken = tmp_path / "bin/qemu-img"
    broken.parent.mkdir()
    measured = '[ "$1" = measure ] && echo \'{"required": 1}\' && exit 0'
    broken.write_text(
        f'#!/bin/sh\n{measured}\nfor last; do :; done\n: > "$last"\necho "{says}" >&2\nexit 1\n'
    )
    broken.chmod(0o755)
    disks = QemuImg(Jail(Wall.NONE), search_path=str(broken.parent))
    [record] = await daemon.journaled()
    backing = record.machine.backing
    source, target = (str(folder(daemon) / name) for name in ("disk.qcow2", "disk-1.qcow2"))
    with pytest.raises(error):
        await disks.flatten(source, target, backing=backing.path, backing_format=backing.format)
    assert {path.name for path in folder(daemon).iterdir()} == {"disk.qcow2", "seed.iso"}


async def test_a_copy_that_would_fill_the_disk_is_not_begun(daemon: Daemon, tmp_path: Path) -> None:
    await daemon.vms.create(order())
    claims = tmp_path / "bin/qemu-img"
    claims.parent.mkdir()
    claims.write_text('#!/bin/sh\n[ "$1" = measure ] || exit 1\necho \'{"required": 1000000000000000}\'\n')
    claims.chmod(0o755)
    source, target = (str(folder(daemon) / name) for name in ("disk.qcow2", "disk-1.qcow2"))
    with pytest.raises(StorageFull, match="must stay free"):
        await QemuImg(Jail(Wall.NONE), search_path=str(claims.parent)).flatten(
            source, target, backing=source, backing_format=ImageFormat.RAW
        )


@pytest.mark.parametrize("name", ["a,b=c", "json:{}", "-dash", 'quo"te', "sp ace", "ünï"])
async def test_no_path_is_taken_for_anything_but_a_path(tmp_path: Path, name: str) -> None:
    base, overlay, target = (tmp_path / f"{name}-{n}" for n in range(3))
    idle_guest(base)
    await QemuImg(JAIL).create_overlay(
        str(overlay), backing=str(base), backing_format=ImageFormat.RAW, size_bytes=DISK_BYTES
    )
    await QemuImg(JAIL).flatten(str(overlay), str(target), backing=str(base), backing_format=ImageFormat.RAW)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", f"./{base.name}", f"./{target.name}", cwd=tmp_path)


async def test_a_header_that_names_another_base_is_not_believed(tmp_path: Path) -> None:
    base, secret = idle_guest(tmp_path / "base.raw"), tmp_path / "secret"
    secret.write_bytes(b"canary" * 4096)
    overlay, target = tmp_path / "overlay", tmp_path / "target"
    await QemuImg(JAIL).create_overlay(
        str(overlay), backing=str(secret), backing_format=ImageFormat.RAW, size_bytes=DISK_BYTES
    )
    await QemuImg(JAIL).flatten(str(overlay), str(target), backing=str(base), backing_format=ImageFormat.RAW)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(base), str(target))


async def test_a_vm_beside_it_stays_on_the_image(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.create(replace(order("vm-2"), name="vm-2"))
    await daemon.disks.flatten("vm-1")
    assert await daemon.vms.users_of(DIGEST) == ("vm-2",)
