"""Consoles of real guests: typed to, read by several, never waited for."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from image_library.domain.console import LARGEST_LAG
from image_library.domain.errors import UnknownVm, VmNotRunning
from image_library.domain.image import ImageFormat
from image_library.domain.secret import Secret
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import Daemon, image_at, order
from tests.integration.node.vms.guests import DISK_BYTES, echoing_guest, flooding_guest, rebooting_guest
from tests.support.png import TEXT_MODE
from tests.support.rfb import Refused, Viewer


class Keys:
    """What somebody types, for as long as they sit there."""

    def __init__(self) -> None:
        self._typed: asyncio.Queue[bytes | None] = asyncio.Queue()

    def type(self, text: bytes) -> None:
        self._typed.put_nowait(text)

    def leave(self) -> None:
        self._typed.put_nowait(None)

    async def pressed(self) -> AsyncIterator[bytes]:
        while (text := await self._typed.get()) is not None:
            yield text


async def until(written: AsyncIterator[bytes], words: bytes) -> bytes:
    heard = b""
    async with asyncio.timeout(30):
        while words not in heard:
            heard += await anext(written)
    return heard


@pytest.fixture
async def echo(start_daemon: StartDaemon, tmp_path: Path) -> Daemon:
    image = image_at(echoing_guest(tmp_path / "echo.raw", "login: "), ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    await daemon.until_console("vm-1", b"login: ")
    return daemon


async def test_two_see_the_same_and_either_may_type(echo: Daemon) -> None:
    one, two = Keys(), Keys()
    async with (
        aclosing(echo.consoles.attach("vm-1", one.pressed())) as first,
        aclosing(echo.consoles.attach("vm-1", two.pressed())) as second,
    ):
        assert await until(first, b"login: ") == b"login: "
        assert await until(second, b"login: ") == b"login: "
        one.type(b"debian\r")
        assert await until(first, b"debian\r") == await until(second, b"debian\r")
        two.type(b"\x03")
        assert await until(first, b"\x03") == b"\x03"
        # Whoever leaves ends nobody else's console.
        one.leave()
        assert [data async for data in first] == []
        two.type(b"more")
        assert b"more" in await until(second, b"more")
    # What was typed before is on the screen of whoever comes later, and the log has it.
    async with aclosing(echo.consoles.attach("vm-1", Keys().pressed())) as third:
        assert await until(third, b"more") == b"login: debian\r\x03more"


async def test_a_vm_that_ends_ends_its_consoles(echo: Daemon) -> None:
    async with aclosing(echo.consoles.attach("vm-1", Keys().pressed())) as written:
        await until(written, b"login: ")
        os.kill(echo.pid("vm-1"), signal.SIGKILL)
        with pytest.raises(VmNotRunning):
            await until(written, b"never")


async def test_only_a_vm_that_runs_has_one(daemon: Daemon) -> None:
    async def refusal(vm_id: str) -> None:
        await anext(daemon.consoles.attach(vm_id, Keys().pressed()))

    with pytest.raises(UnknownVm):
        await refusal("vm-1")
    await daemon.vms.create(order())
    with pytest.raises(VmNotRunning):
        await refusal("vm-1")


async def test_a_guest_does_not_wait_for_whoever_does_not_read(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    image = image_at(flooding_guest(tmp_path / "flood.raw"), ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    async with aclosing(daemon.consoles.attach("vm-1", Keys().pressed())) as written:
        await anext(written)
        async with asyncio.timeout(60):
            while await daemon.window.console_size("vm-1") < 2 * LARGEST_LAG:
                await asyncio.to_thread(os.sched_yield)
        # Of what it missed it is given no more than the end.
        read = len(await anext(written)) + len(await anext(written))
        assert read < LARGEST_LAG
    await daemon.vms.force_stop("vm-1")


async def test_a_guest_that_reboots_ends_neither_its_console_nor_its_display(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    image = image_at(rebooting_guest(tmp_path / "again.raw", "up\r\n"), ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    keys, moves = Keys(), Keys()
    async with (
        aclosing(daemon.consoles.attach("vm-1", keys.pressed())) as written,
        aclosing(daemon.displays.attach("vm-1", Secret("password"), moves.pressed())) as shown,
    ):
        viewer = viewer_of(shown, moves)
        await viewer.enter("password")
        for _ in range(2):
            await until(written, b"up")
            assert any(await viewer.look())
            keys.type(b"x")
        await until(written, b"up")
        assert (viewer.width, viewer.height) == TEXT_MODE


async def test_a_displays_password_opens_it_once(echo: Daemon) -> None:
    """Over the real qemu, which is told by nobody but the node."""
    assert (await echo.displays.picture("vm-1")).width
    for password in ("first-pw", "2nd-pass"):
        moves = Keys()
        async with aclosing(echo.displays.attach("vm-1", Secret("first-pw"), moves.pressed())) as shown:
            if password == "first-pw":
                await viewer_of(shown, moves).enter(password)
            else:
                with pytest.raises(Refused):
                    await viewer_of(shown, moves).enter(password)


async def test_a_display_of_a_vm_that_ends_says_so(echo: Daemon) -> None:
    moves = Keys()
    async with aclosing(echo.displays.attach("vm-1", Secret("password"), moves.pressed())) as shown:
        viewer = viewer_of(shown, moves)
        await viewer.enter("password")
        await echo.vms.force_stop("vm-1")
        with pytest.raises(VmNotRunning):
            await until(shown, b"never")


def viewer_of(shown: AsyncGenerator[bytes], moves: Keys) -> Viewer:
    async def write(data: bytes) -> None:
        moves.type(data)

    async def read() -> bytes:
        async with asyncio.timeout(30):
            return await anext(shown, b"")

    return Viewer(read=read, write=write)
