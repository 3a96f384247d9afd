"""What every driver of ``ports.vms.GuestScreens`` does: a BIOS writes on a real display."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from image_library.domain.errors import ConsoleMissing
from image_library.domain.picture import Picture, picture_of
from image_library.domain.secret import Secret
from image_library.node.adapters.hypervisors.qemu.driver import QemuSettings
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.hypervisors import qemu_driver
from image_library.node.ports.vms import GuestScreens
from tests.integration.node.hypervisors.rig import Rig
from tests.integration.node.vms.guests import idle_guest
from tests.support.png import TEXT_MODE, has_text
from tests.support.rfb import Refused, Viewer

NONE = frozenset[int]()
SECONDS = 60.0
ONE, OTHER = "one-pass", "another1"

pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def connected(screens: GuestScreens, password: str) -> AsyncGenerator[Viewer]:
    line = await screens.open("vm-1", Secret(password))
    try:
        async with asyncio.timeout(SECONDS):
            yield Viewer(read=line.read, write=line.write)
    finally:
        line.close()


async def running(rig: Rig, tmp_path: Path) -> GuestScreens:
    await rig.hypervisor.start(await rig.machine(idle_guest(tmp_path / "idle.raw")), avoid_ports=NONE)
    return rig.screens


async def until_written(screens: GuestScreens) -> Picture:
    """The picture, once the BIOS has written on the screen."""
    async with asyncio.timeout(SECONDS):
        while True:
            picture = picture_of(await screens.picture("vm-1"))
            if has_text(picture.data):
                return picture
            await asyncio.sleep(0.1)


async def test_a_password_opens_the_display_that_the_picture_shows(rig: Rig, tmp_path: Path) -> None:
    screens = await running(rig, tmp_path)
    await screens.require("vm-1")
    picture = await until_written(screens)
    assert (picture.width, picture.height) == TEXT_MODE
    async with connected(screens, ONE) as viewer:
        await viewer.enter(ONE)
        screen = await viewer.look()
        assert (viewer.width, viewer.height) == (picture.width, picture.height)
        assert any(screen)
        # Whoever is in stays in when the doors are closed.
        await screens.close_doors("vm-1")
        await viewer.press(0xFF0D)
        assert any(await viewer.look())


async def test_only_the_password_that_was_set_last_opens_it(rig: Rig, tmp_path: Path) -> None:
    screens = await running(rig, tmp_path)
    async with connected(screens, ONE) as viewer:
        with pytest.raises(Refused):
            await viewer.enter(OTHER)
    async with connected(screens, ONE) as late, connected(screens, OTHER) as viewer:
        await viewer.enter(OTHER)
        with pytest.raises(Refused):
            await late.enter(ONE)


async def test_none_opens_it_once_the_doors_are_closed(rig: Rig, tmp_path: Path) -> None:
    screens = await running(rig, tmp_path)
    async with connected(screens, ONE) as viewer:
        await screens.close_doors("vm-1")
        with pytest.raises(Refused):
            await viewer.enter(ONE)


async def test_the_display_is_found_again_when_the_daemon_is_another(rig: Rig, tmp_path: Path) -> None:
    await running(rig, tmp_path)
    await rig.restarted()
    async with connected(rig.screens, ONE) as viewer:
        await viewer.enter(ONE)
    os.kill(rig.pid_of("vm-1"), signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        await rig.hypervisor.changed("vm-1", await rig.hypervisor.condition("vm-1"))


async def test_what_does_not_run_shows_nothing(rig: Rig) -> None:
    for asked in (rig.screens.require("vm-1"), rig.screens.picture("vm-1")):
        with pytest.raises(ConsoleMissing):
            await asked
    with pytest.raises(ConsoleMissing):
        await rig.screens.open("vm-1", Secret(ONE))
    await rig.screens.close_doors("vm-1")


async def test_a_vm_that_was_started_without_a_display_has_none(rig: Rig, tmp_path: Path) -> None:
    """As one that an older daemon started: its qemu knows of no display."""
    program = shutil.which("qemu-system-x86_64")
    older = tmp_path / "older" / "qemu-system-x86_64"
    older.parent.mkdir()
    older.write_text(
        '#!/bin/bash\nwords=()\nfor word; do\n[ "$word" = -vnc ] || [ "$word" = none,password=on ] ||'
        f' words+=("$word")\ndone\nexec {program} "${{words[@]}}"\n'
    )
    older.chmod(0o755)
    settings = QemuSettings(accelerator="tcg", isolated=True, search_path=str(older.parent))
    folders = VmFolderTree.open(tmp_path / "vms")
    driver = qemu_driver(settings, folders)
    made = Rig(folders=folders, make=rig.make, pid_of=rig.pid_of, driver=driver)
    await driver.hypervisor.start(await made.machine(idle_guest(tmp_path / "idle.raw")), avoid_ports=NONE)
    for asked in (driver.screens.require("vm-1"), driver.screens.picture("vm-1")):
        with pytest.raises(ConsoleMissing, match="without a display"):
            await asked
    await driver.hypervisor.end("vm-1")
    await driver.hypervisor.detach()
    folders.close()
