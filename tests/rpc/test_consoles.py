"""Consoles through their real door: a WebSocket of the control plane, with a node behind real gRPC."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.domain.errors import (
    LibraryError,
    OriginDenied,
    PermissionDenied,
    Unauthenticated,
)
from tests.rpc.test_sign_in import ask
from tests.rpc.vm_door import Door
from tests.support.processes import environment, run_cli


class Sitting:
    """Somebody at the other end of a WebSocket."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def url(self, vm: str = "web") -> str:
        return str((await self._door.call("GetConsole", {"vmId": vm}))["websocketUrl"])

    async def open(self, url: str, **headers: str) -> WebSocket:
        told = {"authorization": f"Bearer {self._door.plane.token}"} | headers
        shown = {name: value for name, value in told.items() if value}
        return await asyncio.to_thread(WebSocket.open, url, headers=shown, ca_file=None, patience=20.0)

    async def ends(self, url: str) -> tuple[int, str]:
        """How a console ends that is opened with this URL: code and sentence."""
        line = await self.open(url)
        try:
            with pytest.raises(WebSocketEnded) as ended:
                await until(line, b"never")
            return ended.value.code, ended.value.reason
        finally:
            line.close()

    async def refused(self, **headers: str) -> type[LibraryError]:
        with pytest.raises(LibraryError) as refused:
            await self.open(await self.url(), **headers)
        return type(refused.value)


async def until(line: WebSocket, words: bytes) -> bytes:
    def read() -> bytes:
        heard = b""
        while words not in heard:
            heard += line.receive()
        return heard

    async with asyncio.timeout(30):
        return await asyncio.to_thread(read)


@pytest.fixture
async def sitting(door: Door) -> Sitting:
    await door.create()
    return Sitting(door)


async def test_what_is_typed_reaches_the_guest_and_comes_back(sitting: Sitting, door: Door) -> None:
    told = await door.call("GetConsole", {"vmId": "web"})
    where = urlsplit(str(told["websocketUrl"]))
    assert told["consoleType"] == "CONSOLE_TYPE_SERIAL"
    assert (told["host"], told["port"]) == (where.hostname, where.port)
    line = await sitting.open(told["websocketUrl"])
    assert await until(line, b"login: ") == b"login: "
    line.send(b"debian\r")
    assert await until(line, b"\r") == b"debian\r"
    line.close()


async def test_a_ticket_opens_one_console_once(sitting: Sitting) -> None:
    url = await sitting.url()
    (await sitting.open(url)).close()
    code, reason = await sitting.ends(url)
    assert code == 4401
    assert "ticket" in reason


async def test_another_vms_ticket_opens_nothing_and_is_used_up(sitting: Sitting, door: Door) -> None:
    await door.create("other")
    mine, others = urlsplit(await sitting.url("web")), urlsplit(await sitting.url("other"))
    swapped = urlunsplit(mine._replace(query=others.query))
    assert (await sitting.ends(swapped))[0] == 4401
    assert (await sitting.ends(urlunsplit(others)))[0] == 4401
    for none in ("", "ticket=", "ticket=x"):
        assert (await sitting.ends(urlunsplit(mine._replace(query=none))))[0] == 4401


async def test_a_ticket_alone_lets_nobody_in(sitting: Sitting, door: Door) -> None:
    assert await sitting.refused(authorization="Bearer x") is Unauthenticated
    assert await sitting.refused(authorization=f"Bearer {door.plane.join_token}") is PermissionDenied
    assert await sitting.refused(origin="http://evil.example") is OriginDenied
    assert await sitting.refused(**{"sec-fetch-site": "cross-site"}) is OriginDenied


async def test_a_foreign_name_is_refused(sitting: Sitting, door: Door) -> None:
    where = urlsplit(await sitting.url())
    headers = {"Host": "evil.example", "Connection": "Upgrade", "Upgrade": "websocket"}
    headers |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
    headers |= {"Authorization": f"Bearer {door.plane.token}"}

    def status() -> int:
        with closing(http.client.HTTPConnection(where.netloc, timeout=20)) as connection:
            connection.request("GET", f"{where.path}?{where.query}", headers=headers)
            return connection.getresponse().status

    assert await asyncio.to_thread(status) == 421
    headers["Host"] = where.netloc
    assert await asyncio.to_thread(status) == 101


async def test_a_stopped_vm_ends_its_console_and_has_none(sitting: Sitting, door: Door) -> None:
    line = await sitting.open(await sitting.url())
    line.send(b"stop")
    with pytest.raises(WebSocketEnded) as ended:
        await until(line, b"never")
    assert ended.value.code == 4409
    line.close()
    await door.call("StopVM", {"id": "web", "force": True})
    assert await door.refused("GetConsole", {"vmId": "web"}) == ("failed_precondition", "VM_NOT_RUNNING")
    assert await door.refused("GetConsole", {"vmId": "none"}) == ("not_found", "VM_UNKNOWN")


async def test_a_frame_has_a_limit(sitting: Sitting) -> None:
    line = await sitting.open(await sitting.url())
    line.send(bytes((64 << 10) + 1))
    with pytest.raises(WebSocketEnded) as ended:
        await until(line, b"never")
    assert ended.value.code == 1009
    line.close()


async def test_a_console_that_the_vm_has_not_is_refused(sitting: Sitting, door: Door) -> None:
    missing = ("failed_precondition", "VM_CONSOLE_MISSING")
    for wanted in ("CONSOLE_TYPE_VNC", "CONSOLE_TYPE_SPICE"):
        asked = {"vmId": "web", "consoleType": wanted}
        assert await door.refused("GetConsole", asked) == missing
    assert await door.refused("GetScreenshot", {"vmId": "web"}) == missing


async def test_a_display_is_opened_with_a_password_that_only_its_caller_and_the_node_know(
    sitting: Sitting, door: Door
) -> None:
    door.node.screenshot = b"png"
    told = await door.call("GetConsole", {"vmId": "web"})
    assert told["consoleType"] == "CONSOLE_TYPE_VNC"
    assert len(told["password"]) == 8
    line = await sitting.open(told["websocketUrl"])
    assert await until(line, told["password"].encode())
    line.send(b"keys")
    assert await until(line, b"keys") == b"keys"
    line.close()
    again = await door.call("GetConsole", {"vmId": "web", "consoleType": "CONSOLE_TYPE_VNC"})
    assert again["password"] != told["password"]
    shown = await door.call("GetScreenshot", {"vmId": "web"})
    assert base64.b64decode(shown["data"]) == b"png"
    assert (shown["contentType"], shown["width"], shown["height"]) == ("image/png", 2, 1)


async def test_a_page_comes_in_by_its_sessions_cookie_and_no_other_page_does(
    sitting: Sitting, door: Door
) -> None:
    entered = {"Content-Type": "application/json"}
    answer = await ask(door.plane.url, "POST", "/session", entered, json.dumps({"token": door.plane.token}))
    page = {"authorization": "", "cookie": answer.cookie, "origin": door.plane.url}
    line = await sitting.open(await sitting.url(), **page)
    assert await until(line, b"login: ")
    line.close()
    assert await sitting.refused(**page | {"cookie": answer.cookie + "x"}) is Unauthenticated
    assert await sitting.refused(**page | {"origin": "http://127.0.0.1:1"}) is OriginDenied
    assert await sitting.refused(**page | {"origin": ""}) is OriginDenied


async def test_the_command_line_sits_there_until_it_is_told_to_leave(
    sitting: Sitting, door: Door, tmp_path: Path
) -> None:
    env = environment(tmp_path / "cli", LIMIQUANTIX_SERVER=door.plane.url, LIMIQUANTIX_TOKEN=door.plane.token)

    async def console(keys: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(run_cli, ["vms", "console", "web"], env, stdin=keys)

    left = await console("\x1dnothing of this")
    assert (left.returncode, "nothing" in left.stdout) == (0, False)
    assert "Ctrl-]" in left.stderr
    await door.call("StopVM", {"id": "web", "force": True})
    stopped = await console("x")
    assert stopped.returncode == 5
    assert "vms start" in stopped.stderr
