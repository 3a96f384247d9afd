"""gRPC connections to the nodes: one for each endpoint, opened when first used and kept until the end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import grpc
import structlog
from grpc import aio

from image_library.domain.errors import Internal, LibraryError, NodeUnreachable, NotImplementedYet
from image_library.wire.errors import from_grpc
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceClient

log = structlog.get_logger()

_OPTIONS = (
    # Nodes are in our own network; a proxy for the internet would only be in the way.
    ("grpc.enable_http_proxy", 0),
    # A node that restarts is found again within seconds.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A node that is frozen or cut off sends no farewell: a call under way asks for a sign of life.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


class NodeChannels:
    """Clients by endpoint, each call to be made with ``metadata`` and within ``translated``."""

    def __init__(self, *, join_token: str, ca_certificate: bytes | None = None) -> None:
        self.metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {join_token}"),)
        self._ca_certificate = ca_certificate
        self._channels: dict[str, aio.Channel] = {}

    def client(self, endpoint: str) -> NodeDaemonServiceClient:
        if endpoint not in self._channels:
            self._channels[endpoint] = self._open(endpoint)
        return NodeDaemonServiceClient(self._channels[endpoint])

    def _open(self, endpoint: str) -> aio.Channel:
        if self._ca_certificate is None:
            return aio.insecure_channel(endpoint, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._ca_certificate)
        return aio.secure_channel(endpoint, credentials, options=_OPTIONS)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


@contextmanager
def translated(endpoint: str) -> Generator[None]:
    """Turns gRPC's errors into the node's own, or into ``NodeUnreachable``."""
    try:
        yield
    except aio.AioRpcError as error:
        raise _translate(error, endpoint) from error


def _translate(error: aio.AioRpcError, endpoint: str) -> LibraryError:
    own = from_grpc(error.trailing_metadata())
    if own is not None:
        return own
    if error.code() in _AWAY:
        return NodeUnreachable(f"The node at {endpoint} does not answer.")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return NotImplementedYet(f"The node at {endpoint} is too old for this.")
    log.error("node_call_failed", endpoint=endpoint, status=error.code().name, details=error.details())
    return Internal(f"The node at {endpoint} failed.")
