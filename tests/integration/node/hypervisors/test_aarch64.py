"""A machine of another architecture: translated, started by its own firmware."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from image_library.domain.errors import FirmwareMissing
from image_library.domain.machine import Condition, Firmware
from image_library.node.adapters.hypervisors.qemu.firmware import find_uefi
from image_library.node.adapters.vm_folders import VmFolderTree
from tests.integration.node.hypervisors.rig import Rig, qemu_driver
from tests.integration.node.vms.guests import idle_guest

# The firmware alone takes some seconds when it is emulated, and more on a busy machine.
SECONDS = 180.0

pytestmark = pytest.mark.timeout(400)


async def test_an_arm_machine_comes_to_its_firmware(tmp_path: Path) -> None:
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("qemu-system-aarch64 is not installed: apt-get install qemu-system-arm")
    try:
        find_uefi("aarch64")
    except FirmwareMissing as error:
        pytest.skip(f"{error.message} {error.remedy}")
    folders = VmFolderTree.open(tmp_path / "vms")
    rig = Rig(folders=folders, make=qemu_driver, pid_of=lambda _: 0, driver=qemu_driver(folders))
    image = idle_guest(tmp_path / "empty.raw")
    machine = await rig.machine(image, memory_mib=256, architecture="aarch64", firmware=Firmware.UEFI)
    try:
        await rig.hypervisor.start(machine, avoid_ports=frozenset())
        async with asyncio.timeout(SECONDS):
            # A file is looked at as the boot watch does it. It names what it tries to start.
            while b"BdsDxe" not in await rig.window.console("vm-1", 0):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    finally:
        await rig.hypervisor.end("vm-1")
        await rig.hypervisor.detach()
        folders.close()
