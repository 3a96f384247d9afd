"""The control plane over Connect, with the join token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from pyqwest import Client, HTTPTransport, Proxy

from image_library.domain.errors import Internal, LibraryError, ServerUnreachable, Unauthenticated
from image_library.domain.inventory import Inventory
from image_library.domain.node import Heartbeat, InventoryMark, Registration
from image_library.node.ports.control_plane import HeartbeatAnswer
from image_library.wire.errors import from_connect
from image_library.wire.heartbeat import heartbeat_to_wire
from image_library.wire.inventory import inventory_to_wire
from image_library.wire.node import mark_from_wire, registration_to_wire
from limiquantix.compute.v1.node_connect import NodeServiceClient
from limiquantix.storage.v1.image_connect import ImageServiceClient

log = structlog.get_logger()
T = TypeVar("T")

_TIMEOUT_MS = 10_000
# The control plane is in our own network; a proxy for the internet would only be in the way.
# "*" is for names only, the networks are for addresses.
_NO_PROXY = Proxy("http://127.0.0.1:9", no_proxy="0.0.0.0/0,::/0,*")
_AWAY = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELED})


class ConnectControlPlane:
    def __init__(self, url: str, *, join_token: str, ca_certificate: bytes | None = None) -> None:
        """``ca_certificate`` (PEM) judges the control plane's own; None: the system's authorities do."""
        transport = HTTPTransport(
            proxy=_NO_PROXY,
            tls_ca_cert=ca_certificate,
            tls_include_system_certs=ca_certificate is None,
            connect_timeout=5.0,
            enable_otel=False,
        )
        client = Client(transport)
        self._url = url
        self._headers = {"authorization": f"Bearer {join_token}"}
        self._nodes = NodeServiceClient(
            url, http_client=client, send_compression=None, timeout_ms=_TIMEOUT_MS
        )
        self._images = ImageServiceClient(
            url, http_client=client, send_compression=None, timeout_ms=_TIMEOUT_MS
        )

    async def register(self, registration: Registration) -> InventoryMark:
        request = registration_to_wire(registration)
        return mark_from_wire(
            await self._translated(self._nodes.register_node(request, headers=self._headers))
        )

    async def report(self, inventory: Inventory) -> None:
        request = inventory_to_wire(inventory)
        answer = await self._translated(self._images.scan_local_images(request, headers=self._headers))
        for problem in answer.errors:
            log.warning("inventory_entry_refused", problem=problem)

    async def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        request = heartbeat_to_wire(beat)
        answer = await self._translated(self._nodes.update_heartbeat(request, headers=self._headers))
        return HeartbeatAnswer(
            acknowledged=answer.acknowledged,
            interval=float(answer.heartbeat_interval_secs),
            inventory_wanted=answer.inventory_wanted,
        )

    async def _translated(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except ConnectError as error:
            if _is_being_cancelled():
                # The client hides it as an error of the call; who waits for this task's end needs it.
                raise asyncio.CancelledError from error
            raise self._meaning(error) from error
        except (OSError, TimeoutError) as error:
            raise ServerUnreachable(f"The control plane at {self._url} does not answer.") from error

    def _meaning(self, error: ConnectError) -> LibraryError:
        own = from_connect(error)
        if own is not None:
            return own
        if error.code in _AWAY:
            return ServerUnreachable(f"The control plane at {self._url} does not answer.")
        if error.code is Code.UNAUTHENTICATED:
            return Unauthenticated("The control plane does not accept the join token.")
        log.warning("control_plane_call_failed", code=error.code.value, message=error.message)
        return Internal(f"The control plane at {self._url} failed.")


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
