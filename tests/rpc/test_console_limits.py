"""How many consoles there may be at once, and how long one on which nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette

from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.controlplane.adapters.listening import listening_socket, url_of
from image_library.controlplane.handlers.auth import Auth, Tokens
from image_library.controlplane.handlers.console_sockets import ConsoleSockets
from image_library.controlplane.handlers.http_access import HttpAccess
from image_library.controlplane.handlers.server import serving
from image_library.controlplane.services.consoles import Consoles
from image_library.controlplane.services.sessions import Sessions
from image_library.domain.console import ConsoleKind
from tests.fakes.control_clock import ManualClock
from tests.fakes.control_plane import Plane
from tests.unit.controlplane.services.test_consoles import consoles

LONG = 3600.0
FULL = 4429


@pytest.fixture
def plane() -> Plane:
    return Plane()


@dataclass(frozen=True, kw_only=True)
class Seats:
    consoles: Consoles
    # HOST:PORT
    authority: str

    async def sit(self) -> WebSocket:
        invitation = await self.consoles.invite("web", ConsoleKind.SERIAL)
        path = f"/vms/{invitation.vm_id}/console?ticket={invitation.ticket.reveal()}"
        url = f"ws://{self.authority}{path}"
        return await asyncio.to_thread(WebSocket.open, url, headers={}, ca_file=None, patience=20.0)


@asynccontextmanager
async def seats(plane: Plane, *, most: int = 64, idle: float = LONG) -> AsyncGenerator[Seats]:
    clock = ManualClock()
    made = await consoles(plane, clock)
    sessions = Sessions(database=plane.database, clock=clock, token="operator")
    auth = Auth(Tokens(operator="operator", join="join"), required=False, sessions=sessions)
    sockets = ConsoleSockets(made, HttpAccess(auth), most=most, idle=idle)
    sock = listening_socket("127.0.0.1", 0)
    authority = url_of(sock, tls=False).partition("://")[2]
    async with serving(Starlette(routes=sockets.routes()), sock, tls_cert=None, tls_key=None):
        yield Seats(consoles=made, authority=authority)


async def ended(line: WebSocket) -> int:
    def read() -> None:
        while True:
            line.receive()

    async with asyncio.timeout(30):
        with pytest.raises(WebSocketEnded) as told:
            await asyncio.to_thread(read)
    line.close()
    return told.value.code


async def echoed(line: WebSocket, word: bytes) -> bytes:
    def read() -> bytes:
        heard = b""
        while word not in heard:
            heard += line.receive()
        return heard

    line.send(word)
    async with asyncio.timeout(30):
        return await asyncio.to_thread(read)


async def test_one_on_which_nothing_moves_is_closed(plane: Plane) -> None:
    async with seats(plane, idle=0.5) as room:
        line = await room.sit()
        assert await ended(line) == 4408


async def test_there_are_only_so_many_at_once(plane: Plane) -> None:
    async with seats(plane, most=2) as room:
        one, two = await room.sit(), await room.sit()
        assert await echoed(one, b"one") == b"one"
        assert await echoed(two, b"two") == b"two"
        assert await ended(await room.sit()) == FULL
        # Nobody else noticed, and whoever leaves makes room.
        assert await echoed(one, b"more") == b"more"
        two.close()
        async with asyncio.timeout(30):
            while await is_full(await room.sit()):
                pass
        one.close()


async def is_full(line: WebSocket) -> bool:
    try:
        await echoed(line, b"here")
    except WebSocketEnded as told:
        return told.code == FULL
    finally:
        line.close()
    return False
