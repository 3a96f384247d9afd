"""Serving the web application on a socket inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from image_library.domain.console import LARGEST_FRAME
from image_library.domain.errors import InvalidSettings

# Long enough for an answer under way; streams are ended.
GRACE_SECONDS = 1


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, sock: socket.socket, *, tls_cert: Path | None, tls_key: Path | None
) -> AsyncGenerator[None]:
    """Serve from when the block is entered until it is left. Takes the socket over."""
    config = _config(app, tls_cert, tls_key)
    _load(config)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="web-server")
    try:
        await _ready(server, task)
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def _config(app: ASGIApp, tls_cert: Path | None, tls_key: Path | None) -> uvicorn.Config:
    quiet = {"access_log": False, "log_config": None, "server_header": False}
    bare = {"lifespan": "off", "proxy_headers": False}
    sockets = {"ws": "wsproto", "ws_max_size": LARGEST_FRAME, "ws_per_message_deflate": False}
    tls = {"ssl_certfile": tls_cert, "ssl_keyfile": tls_key}
    limits = {"timeout_graceful_shutdown": GRACE_SECONDS}
    options: dict[str, Any] = {**quiet, **bare, **sockets, **tls, **limits}
    return uvicorn.Config(app, http="httptools", **options)


def _load(config: uvicorn.Config) -> None:
    try:
        config.load()
    except OSError as error:
        # ssl's own errors are among them.
        remedy = "Give a PEM chain and its key."
        raise InvalidSettings(
            "The TLS certificate and key cannot be used.", remedy=remedy, field="tls_cert"
        ) from error


async def _ready(server: _Server, task: asyncio.Task[None]) -> None:
    """Waits until it serves; a server that cannot start says why here."""
    ready = asyncio.ensure_future(server.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        ready.cancel()
