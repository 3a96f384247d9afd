"""The port for guests that reach their node by a network, where the operator wants one."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.grpc_server import Tls
from image_library.node.adapters.guest_listener import listening
from image_library.node.handlers.guest_http import GuestHttp
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.settings import Settings

log = structlog.get_logger()


async def serve_guests(stack: AsyncExitStack, settings: Settings, keeper: DoorKeeper) -> None:
    """Raises PortTaken, InvalidSettings."""
    if not settings.guest_listen:
        return
    tls = None
    if settings.guest_url.startswith("https://") and settings.guest_tls_cert and settings.guest_tls_key:
        tls = Tls(cert=settings.guest_tls_cert, key=settings.guest_tls_key)
    http = GuestHttp(keeper, SystemClock())
    await stack.enter_async_context(listening(settings.guest_listen, http.connected, tls=tls))
    log.info("guests_served", address=settings.guest_listen, url=settings.guest_url)
