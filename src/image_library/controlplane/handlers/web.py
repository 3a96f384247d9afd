"""The web application: the RPC services behind their guards, and a health check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from image_library.controlplane.handlers import uploads
from image_library.controlplane.handlers.guards import BodyGuard, HostGuard, OriginGuard
from image_library.controlplane.handlers.refusals import RefusalGuard
from image_library.controlplane.handlers.web_files import WebFiles

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104


class RpcApplication(Protocol):
    """A generated Connect application."""

    @property
    def path(self) -> str: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def web_application(
    applications: Iterable[RpcApplication],
    *,
    hosts: frozenset[str],
    plain: Iterable[BaseRoute] = (),
    pages: WebFiles,
) -> ASGIApp:
    """All doors of the control plane as one ASGI application that answers for ``hosts`` only.

    ``plain`` are those that are no RPCs; ``pages`` answers what is none of them.
    """
    routes: list[BaseRoute] = [*(Mount(app.path, app=app) for app in applications), *plain]
    routes.append(Route("/healthz", _health, methods=["GET"]))
    doors = Starlette(routes=routes, exception_handlers={404: pages.answer})
    guarded = RefusalGuard(BodyGuard(doors, but=(uploads.PATH,)))
    return HostGuard(OriginGuard(guarded), hosts=hosts)


def answered_hosts(listen_host: str, allowed: Iterable[str]) -> frozenset[str]:
    """The names to answer for: loopback's, the address listened on, and those of the settings."""
    named = {name.lower() for name in (listen_host, *allowed)} - _EVERYWHERE
    return LOOPBACK_NAMES | named


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
