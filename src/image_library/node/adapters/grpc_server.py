"""The port that the control plane calls this node at."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from image_library.domain.errors import InvalidSettings, PortTaken

_OPTIONS = (
    # Two servers on one port would each get some of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    # The control plane asks for a sign of life every ten seconds, also while a stream is silent.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)
_GRACE = 1.0


@dataclass(frozen=True, kw_only=True)
class Tls:
    """PEM files of the server."""

    cert: Path
    key: Path

    def credentials(self) -> grpc.ServerCredentials:
        try:
            pair = (self.key.read_bytes(), self.cert.read_bytes())
        except OSError as error:
            raise InvalidSettings(f"{error.filename} cannot be read: {error.strerror}.") from error
        return grpc.ssl_server_credentials([pair])


@asynccontextmanager
async def serving(
    address: str,
    *,
    add_services: Callable[[aio.Server], None],
    interceptors: Sequence[aio.ServerInterceptor],
    tls: Tls | None = None,
) -> AsyncGenerator[int]:
    """Serve at HOST:PORT while the block runs; gives the port.

    Raises:
        PortTaken: another program listens there, or there is no such address.
    """
    server = aio.server(interceptors=list(interceptors), options=_OPTIONS)
    add_services(server)
    try:
        port = _bind(server, address, tls)
    except RuntimeError as error:
        raise PortTaken(f"The node cannot listen at {address}.", field="listen") from error
    await server.start()
    try:
        yield port
    finally:
        await server.stop(_GRACE)


def _bind(server: aio.Server, address: str, tls: Tls | None) -> int:
    bound: Any = (
        server.add_insecure_port(address)
        if tls is None
        else server.add_secure_port(address, tls.credentials())
    )
    return int(bound)
