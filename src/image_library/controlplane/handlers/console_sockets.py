"""Consoles over WebSockets: docs/consoles.md.

Source: RFC 6455; section 7.4 for the codes that end one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager, suppress

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from image_library.controlplane.handlers.error_body import error_response
from image_library.controlplane.handlers.http_access import STATUSES, HttpAccess
from image_library.controlplane.services.consoles import Consoles
from image_library.domain.console import IDLE_SECONDS, MOST_CONSOLES, ConsoleKind
from image_library.domain.errors import (
    ConsoleIdle,
    ConsoleMissing,
    ConsolesFull,
    ConsoleTicket,
    Internal,
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    UnknownVm,
    VmNotRunning,
)

log = structlog.get_logger()

PATH = "/vms/{vm_id}/console"
_SUBPROTOCOL = "binary"
_CODES: dict[type[LibraryError], int] = {
    InvalidRequest: 4400,
    ConsoleTicket: 4401,
    UnknownVm: 4404,
    ConsoleIdle: 4408,
    VmNotRunning: 4409,
    ConsoleMissing: 4410,
    ConsolesFull: 4429,
    NodeUnreachable: 4503,
}
_BROKEN = 4500
_DONE = 1000
# A control frame has 125 bytes, of which the code takes two.
_LONGEST_REASON = 123


class ConsoleSockets:
    """Routes to be mounted in the web application. ``idle`` seconds without a byte end a console."""

    def __init__(
        self, consoles: Consoles, access: HttpAccess, *, most: int = MOST_CONSOLES, idle: float = IDLE_SECONDS
    ) -> None:
        self._consoles = consoles
        self._access = access
        self._most = most
        self._idle = idle
        self._open = 0

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self._answer)]

    async def _answer(self, socket: WebSocket) -> None:
        try:
            self._access.require_operator(socket.headers)
        except LibraryError as error:
            await socket.send_denial_response(error_response(error, STATUSES.get(error.kind, 500)))
            return
        # What is said of a socket that has gone already reaches nobody.
        with suppress(WebSocketDisconnect, RuntimeError):
            await _accept(socket)
            await socket.close(*_ending(await self._refusal(socket)))

    async def _refusal(self, socket: WebSocket) -> LibraryError | None:
        """Serves it to its end, and says why it ended; None where a side left as one does."""
        try:
            await self._serve(socket)
        except LibraryError as error:
            return error
        except WebSocketDisconnect:
            return None
        except Exception:
            log.exception("console_broke")
            return Internal("The console broke.")
        return None

    async def _serve(self, socket: WebSocket) -> None:
        vm_id = socket.path_params["vm_id"]
        admission = self._consoles.admit(socket.query_params.get("ticket", ""), vm_id)
        said = _Said(socket, texts=admission.kind is ConsoleKind.SERIAL)
        with self._counted():
            await self._talk(socket, said, self._consoles.attach(vm_id, admission, said.typed()))
        if said.refusal is not None:
            raise said.refusal

    @contextmanager
    def _counted(self) -> Generator[None]:
        if self._open >= self._most:
            raise ConsolesFull(f"{self._most} consoles are open already.")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _talk(self, socket: WebSocket, said: _Said, written: AsyncGenerator[bytes]) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._idle) as limit, aclosing(written):
                said.heard = lambda: limit.reschedule(clock() + self._idle)
                async for data in written:
                    said.heard()
                    # Returns when the peer has room: until then nothing more is read from the node.
                    await socket.send_bytes(data)
        except TimeoutError:
            raise ConsoleIdle("Nothing moved on this console for too long.") from None


class _Said:
    """What the other side sends. gRPC's task reads it, so it tells its error instead of raising it."""

    def __init__(self, socket: WebSocket, *, texts: bool) -> None:
        self._socket = socket
        self._texts = texts
        self.refusal: LibraryError | None = None
        self.heard = lambda: None

    async def typed(self) -> AsyncIterator[bytes]:
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            self.heard()
            data: bytes | None = message.get("bytes")
            text: str | None = message.get("text")
            if text is not None and not self._texts:
                self.refusal = InvalidRequest("A display takes binary frames only.")
                return
            yield data if data is not None else (text or "").encode("utf-8", "replace")


async def _accept(socket: WebSocket) -> None:
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocol=_SUBPROTOCOL if _SUBPROTOCOL in offered else None)


def _ending(refusal: LibraryError | None) -> tuple[int, str]:
    if refusal is None:
        return _DONE, ""
    return _CODES.get(type(refusal), _BROKEN), _reason(refusal)


def _reason(error: LibraryError) -> str:
    return str(error).encode()[:_LONGEST_REASON].decode("utf-8", "ignore")
