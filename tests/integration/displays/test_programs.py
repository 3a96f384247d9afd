"""A display of a real VM, from its BIOS through all our programs to who looks at it."""

from __future__ import annotations

import asyncio
import platform
import re
import subprocess
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_library.cli.web_socket import WebSocket, WebSocketEnded
from tests.support import boot_sector
from tests.support.png import TEXT_MODE, has_text
from tests.support.processes import COMMAND, Program, end_processes_of, environment, run_cli
from tests.support.rfb import Refused, Viewer
from tests.support.rpc import Json, RpcError, rpc

SECONDS = 60.0
VMS = "limiquantix.compute.v1.VMService"
MIB = 1 << 20
SPEC: Json = {
    "disks": [{"image": "tiny"}],
    "provisioning": {"cloudInit": {"defaultUser": "ops"}},
    "memory": {"sizeMib": "128"},
}

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the guest is an x86 boot sector"),
]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A VM that runs, and the programs around it."""

    program: Program
    env: dict[str, str]
    vm_id: str

    def call(self, method: str, message: Json) -> Json:
        return rpc(self.program.url, f"{VMS}/{method}", message, token=self.program.token)

    def display(self) -> tuple[str, str]:
        """URL and password."""
        told = self.call("GetConsole", {"vmId": self.vm_id, "consoleType": "CONSOLE_TYPE_VNC"})
        return told["websocketUrl"], told["password"]

    @asynccontextmanager
    async def viewer(self, url: str) -> AsyncGenerator[Viewer]:
        headers = {"authorization": f"Bearer {self.program.token}"}
        line = await asyncio.to_thread(WebSocket.open, url, headers=headers, ca_file=None, patience=20.0)

        async def read() -> bytes:
            # A block may be a part of a frame.
            while not (data := await asyncio.to_thread(line.receive)):
                pass
            return data

        async def write(data: bytes) -> None:
            line.send(data)

        try:
            async with asyncio.timeout(SECONDS):
                yield Viewer(read=read, write=write)
        finally:
            line.close()


@pytest.fixture
def shown() -> Iterator[Shown]:
    # Not pytest's own folder: its long names leave no room for a UNIX socket's path.
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        data_dir = Path(folder) / "data"
        images = data_dir / "cloud-images"
        images.mkdir(mode=0o700, parents=True)
        raw = Path(folder) / "disk.raw"
        raw.write_bytes(boot_sector.echoing("login: ") + bytes(8 * MIB - boot_sector.SIZE))
        made = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(images / "tiny.qcow2")]
        subprocess.run(made, check=True, capture_output=True)
        env = environment(data_dir)
        try:
            with Program.start(("up", "--json", "--listen", "127.0.0.1:0"), env) as program:
                wish: Json = {"name": "web", "spec": SPEC, "startOnCreate": True}
                made_vm = rpc(program.url, f"{VMS}/CreateVM", wish | {"force": True}, token=program.token)
                started = Shown(program=program, env=env, vm_id=made_vm["id"])
                deadline = time.monotonic() + SECONDS
                while started.call("GetVM", {"id": started.vm_id})["status"]["state"] != "RUNNING":
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                yield started
        finally:
            end_processes_of(data_dir)


def test_a_viewer_comes_in_once_and_leaves_no_trace_of_its_password(shown: Shown) -> None:
    secrets = asyncio.run(once(shown))
    folder = shown.program.data_dir / "vms" / shown.vm_id
    words = Path(f"/proc/{int((folder / 'qemu.pid').read_text())}/cmdline").read_bytes()
    logs = "".join(shown.program.stderr) + (folder / "qemu.log").read_text()
    for secret in secrets:
        assert secret.encode() not in words
        assert secret not in logs


async def once(shown: Shown) -> list[str]:
    """The secrets that were used."""
    url, password = await asyncio.to_thread(shown.display)
    async with shown.viewer(url) as viewer:
        await viewer.enter(password)
        screen = await viewer.look()
        assert len(screen) == viewer.width * viewer.height * 4
        assert any(screen)
        # Neither ticket nor password opens it again, also while somebody is in.
        with pytest.raises(WebSocketEnded) as ended:
            await enters(shown, url, password)
        assert ended.value.code == 4401
        new_url, new_password = await asyncio.to_thread(shown.display)
        with pytest.raises(Refused):
            await enters(shown, new_url, password)
        await viewer.press(0x61)
        assert any(await viewer.look())
    return [password, new_password, url.partition("ticket=")[2]]


async def enters(shown: Shown, url: str, password: str) -> None:
    async with shown.viewer(url) as viewer:
        await viewer.enter(password)


def test_the_command_line_takes_pictures_and_leads_viewers(shown: Shown, tmp_path: Path) -> None:
    picture = tmp_path / "web.png"
    deadline = time.monotonic() + SECONDS
    taken = screenshot(shown, picture)
    while not has_text(picture.read_bytes()):
        assert time.monotonic() < deadline
        taken = screenshot(shown, picture)
    assert taken.stdout == f"{picture}: {TEXT_MODE[0]} x {TEXT_MODE[1]}\n"
    refused = run_cli(["vms", "screenshot", "web", str(picture)], shown.env)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    link = run_cli(["vms", "display", "web"], shown.env)
    assert link.stdout == f"{shown.program.url}/vms/{shown.vm_id}/display\n"
    asyncio.run(led(shown))
    shown.call("StopVM", {"id": shown.vm_id, "force": True})
    with pytest.raises(RpcError, match="does not run"):
        shown.call("GetScreenshot", {"vmId": shown.vm_id})


def screenshot(shown: Shown, picture: Path) -> subprocess.CompletedProcess[str]:
    taken = run_cli(["vms", "screenshot", "web", str(picture), "--force"], shown.env)
    assert taken.returncode == 0, taken.stderr
    return taken


async def led(shown: Shown) -> None:
    """A viewer with a wrong password is let go, the next one comes in."""
    leading = await asyncio.create_subprocess_exec(
        *(*COMMAND, "vms", "display", "web", "--listen", "127.0.0.1:0"), env=shown.env, stderr=PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            port = int(re.findall(r"127\.0\.0\.1:(\d+)", await line_of(leading))[0])
            for right in (False, True):
                await visit(leading, port, right=right)
    finally:
        leading.terminate()
        await leading.wait()


async def visit(leading: Process, port: int, *, right: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    password = (await line_of(leading)).rpartition(": ")[2].strip()

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def read() -> bytes:
        return await reader.read(1 << 16)

    viewer = Viewer(read=read, write=write)
    if right:
        await viewer.enter(password)
        assert any(await viewer.look())
    else:
        with pytest.raises(Refused):
            await viewer.enter("not this")
    writer.close()
    assert "gone" in await line_of(leading)


async def line_of(leading: Process) -> str:
    assert leading.stderr is not None
    return (await leading.stderr.readline()).decode()
