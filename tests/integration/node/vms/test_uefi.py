"""UEFI, Secure Boot and TPMs: real firmware with a tiny EFI program, real swtpm."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorFailed, TpmMissing
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Firmware
from image_library.domain.store import PublishedImage
from image_library.domain.vm import PowerState
from image_library.node.adapters.hypervisors.qemu.equipment import installed
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import TCG, Daemon, image_at, order
from tests.integration.node.vms.guests import UEFI_DISK_BYTES, uefi_guest

# The firmware alone takes some seconds when it is emulated, and more on a busy machine.
BOOT_SECONDS = 150.0
GREETING = "hello-from-efi"
MEMORY_MIB = 256

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def uefi_image(tmp_path: Path) -> PublishedImage:
    return image_at(uefi_guest(tmp_path / "uefi.raw", GREETING), ImageFormat.RAW, UEFI_DISK_BYTES)


def folder(daemon: Daemon) -> Path:
    return daemon.data / "vms/vm-1"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tpm_of(daemon: Daemon) -> set[int]:
    """The processes other than qemu that live in the VM's folder."""
    return {
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _lives_in(process, folder(daemon)) and _is_swtpm(process)
    }


def _lives_in(process: Path, where: Path) -> bool:
    try:
        return (process / "cwd").resolve() == where.resolve() and (process / "cwd").exists()
    except OSError:
        return False


def _is_swtpm(process: Path) -> bool:
    try:
        return (process / "comm").read_text().strip() == "swtpm"
    except OSError:
        return False


async def until_no_tpm(daemon: Daemon) -> None:
    async with asyncio.timeout(20):
        # Nobody tells when somebody else's process ends.
        while tpm_of(daemon):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_firmware_starts_the_images_program_and_keeps_its_variables(
    start_daemon: StartDaemon, uefi_image: PublishedImage
) -> None:
    daemon = await start_daemon(image=uefi_image)
    await daemon.vms.create(order(firmware=Firmware.UEFI, memory_mib=MEMORY_MIB))
    await daemon.vms.start("vm-1")
    await daemon.until_console("vm-1", GREETING.encode(), seconds=BOOT_SECONDS)
    await daemon.vms.force_stop("vm-1")
    variables = folder(daemon) / "uefi-vars.fd"
    assert stat.S_IMODE(variables.stat().st_mode) == 0o600
    remembered, inode = digest(variables), variables.stat().st_ino
    await daemon.vms.start("vm-1")
    assert variables.stat().st_ino == inode
    await daemon.vms.force_stop("vm-1")
    assert remembered != digest(Path("/usr/share/OVMF/OVMF_VARS_4M.fd"))
    await daemon.vms.delete("vm-1")
    assert not folder(daemon).exists()


async def test_secure_boot_starts_nothing_that_is_not_signed(
    start_daemon: StartDaemon, uefi_image: PublishedImage
) -> None:
    daemon = await start_daemon(image=uefi_image)
    await daemon.vms.create(order(firmware=Firmware.UEFI_SECURE_BOOT, memory_mib=MEMORY_MIB))
    await daemon.vms.start("vm-1")
    said = await daemon.until_console("vm-1", b"Access Denied", seconds=BOOT_SECONDS)
    assert GREETING.encode() not in said


async def test_a_tpm_answers_and_ends_with_its_vm(daemon: Daemon) -> None:
    await daemon.vms.create(order(tpm=True))
    # qemu does not start before its TPM has answered.
    await daemon.vms.start("vm-1")
    assert len(tpm_of(daemon)) == 1
    await daemon.vms.force_stop("vm-1")
    await until_no_tpm(daemon)
    state = folder(daemon) / "tpm2-00.permall"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    await daemon.vms.start("vm-1")
    os.kill(daemon.pid("vm-1"), signal.SIGKILL)
    await daemon.until("vm-1", PowerState.CRASHED)
    await until_no_tpm(daemon)


async def test_a_tpm_keeps_its_seeds_over_restarts(daemon: Daemon) -> None:
    await daemon.vms.create(order(tpm=True))
    await daemon.vms.start("vm-1")
    await daemon.vms.force_stop("vm-1")
    first = (folder(daemon) / "tpm2-00.permall").read_bytes()
    await daemon.vms.start("vm-1")
    await daemon.vms.force_stop("vm-1")
    second = (folder(daemon) / "tpm2-00.permall").read_bytes()
    # Made anew, all of its secrets would be others.
    same = sum(a == b for a, b in zip(first, second, strict=False))
    assert same > len(first) * 3 // 4


async def test_goes_on_with_its_tpm_when_the_daemon_is_another(start_daemon: StartDaemon) -> None:
    first = await start_daemon()
    await first.vms.create(order(tpm=True))
    await first.vms.start("vm-1")
    running = tpm_of(first)
    second = await start_daemon()
    assert second.vms.status("vm-1").state is PowerState.RUNNING
    assert tpm_of(second) == running
    await second.vms.delete("vm-1")
    await until_no_tpm(second)


async def test_a_missing_swtpm_names_the_package(start_daemon: StartDaemon, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("qemu-img", "qemu-system-x86_64"):
        (programs / name).symlink_to(shutil.which(name) or "")
    daemon = await start_daemon(settings=replace(TCG, search_path=str(programs)))
    await daemon.vms.create(order(tpm=True))
    with pytest.raises(TpmMissing) as refused:
        await daemon.vms.start("vm-1")
    assert "swtpm" in refused.value.remedy
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
    assert "tpm" not in await daemon.hypervisor.capabilities()


async def test_a_tpm_whose_state_is_damaged_is_told(daemon: Daemon) -> None:
    await daemon.vms.create(order(tpm=True))
    (folder(daemon) / "tpm2-00.permall").write_bytes(b"nonsense")
    with pytest.raises(HypervisorFailed, match="tpm"):
        await daemon.vms.start("vm-1")
    await until_no_tpm(daemon)


def test_a_node_tells_what_is_installed() -> None:
    assert installed() == ("basic", "uefi", "secure_boot", "tpm")
