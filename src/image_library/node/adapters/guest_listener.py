"""The port where guests report that reach their node by a network."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from image_library.domain.errors import InvalidSettings, PortTaken
from image_library.node.adapters.grpc_server import Tls

HANDSHAKE_SECONDS = 10.0
# Connections that wait to be taken.
BACKLOG = 64
# What is read ahead of one.
LOOKAHEAD = 8 << 10
Connected = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(address: str, connected: Connected, *, tls: Tls | None = None) -> AsyncGenerator[int]:
    """Takes connections at HOST:PORT while the block runs; gives the port. Who is served then is cut off.

    Raises:
        PortTaken: another program listens there, or there is no such address.
        InvalidSettings: the certificate cannot be used.
    """
    context = _context(tls) if tls else None
    served: set[asyncio.Task[None]] = set()

    def begin(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(connected(reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)

    host, _, port = address.rpartition(":")
    patience = HANDSHAKE_SECONDS if context else None
    try:
        server = await asyncio.start_server(
            begin,
            host.strip("[]"),
            int(port),
            limit=LOOKAHEAD,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=patience,
        )
    except OSError as error:
        raise PortTaken(f"The node cannot listen for guests at {address}.", field="guest_listen") from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tuple(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettings(f"{tls.cert} and {tls.key} are no certificate and its key.") from error
    return context
