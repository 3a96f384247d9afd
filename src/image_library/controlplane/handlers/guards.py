"""ASGI layers that judge a request before anything else sees it: its host, its origin, its size."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_library.controlplane.handlers.error_body import error_response
from image_library.domain.errors import HostDenied, OriginDenied, RequestTooLarge, printable

LARGEST_BODY_BYTES = 4 * 1024 * 1024
BODY_SECONDS = 30.0
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_OWN_SITES = ("", "same-origin", "none")


class HostGuard:
    """Answers only under the names it has: a foreign name that leads here is a rebinding attack."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        if host_name(host) in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = HostDenied(f"This server does not answer for '{printable(host)}'.")
        await error_response(refusal, 421)(scope, receive, send)


def host_name(host: str) -> str:
    """The name in a Host header or authority, without its port, in lower case; empty if there is none."""
    found = _HOST.fullmatch(host.lower())
    return found["name"].strip("[]").rstrip(".") if found else ""


class OriginGuard:
    """Refuses what a browser sends on behalf of another site's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
        same = not origin or _site_of(origin) == headers.get("host")
        if same and site in _OWN_SITES:
            await self._app(scope, receive, send)
            return
        refusal = OriginDenied(f"A page of '{printable(origin or site)}' may not call this server.")
        await error_response(refusal, 403)(scope, receive, send)


def _site_of(origin: str) -> str:
    """HOST:PORT of an Origin header; empty where it names none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class BodyGuard:
    """Bounds what is read of a request, in bytes and in time; but for paths that bound it themselves."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int = LARGEST_BODY_BYTES,
        seconds: float = BODY_SECONDS,
        but: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._but = but
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A WebSocket's frames are bounded by the server.
        mine = scope["type"] == "http"
        if not mine or (self._but and scope.get("path", "").startswith(self._but)):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self._most:
            refusal = RequestTooLarge(f"The request has {printable(announced)} bytes.")
            await error_response(refusal, 413)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        deadline = asyncio.get_running_loop().time() + self._seconds
        whole = False

        async def bounded() -> Message:
            nonlocal whole
            # After the body, receive() waits for the caller to leave, which may take for ever.
            message = await _received(receive, None if whole else deadline)
            whole = whole or not message.get("more_body", False)
            return message

        return bounded


async def _received(receive: Receive, deadline: float | None) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError:
        raise RequestTooLarge("The request's body came too slowly.") from None
