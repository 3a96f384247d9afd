"""An ASGI layer that lets no refusal out without its words: an empty or foreign one gets ours."""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_library.controlplane.handlers.error_body import error_response
from image_library.domain.errors import Internal, InvalidRequest, LibraryError, NotImplementedYet, printable

log = structlog.get_logger()

_GRPC = "application/grpc"
_GRPC_WEB = "application/grpc-web"
# What the framework tells beside a refusal.
_KEPT = ("allow", "accept-post")


class RefusalGuard:
    """Nothing that fails below it answers with an empty body, a page of text or a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_plain_grpc(scope):
            await _refuse(scope, receive, send, status=415, told=Headers())
            return
        words = _Words(send)
        await self._answered(scope, receive, words)
        if words.refused is not None:
            await _refuse(scope, receive, send, status=words.refused, told=words.told)

    async def _answered(self, scope: Scope, receive: Receive, words: _Words) -> None:
        try:
            await self._app(scope, receive, words.send)
        except Exception:
            if words.started:
                raise
            log.exception("request_failed", path=scope["path"])
            words.refused = 500


class _Words:
    """Hands an answer on, but holds back a refusal that is not in JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.refused: int | None = None
        self.told = Headers()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=list(message.get("headers", [])))
            if message["status"] >= 400 and not _is_ours(headers):
                self.refused, self.told = message["status"], headers
                return
            self.started = True
        if self.refused is None:
            await self._send(message)


def _is_ours(headers: Headers) -> bool:
    return "json" in headers.get("content-type", "") or _GRPC in headers.get("content-type", "")


def _is_plain_grpc(scope: Scope) -> bool:
    """gRPC needs HTTP/2, which is not served here; its clients speak Connect or gRPC-Web."""
    kind = Headers(scope=scope).get("content-type", "")
    return kind.startswith(_GRPC) and not kind.startswith(_GRPC_WEB)


async def _refuse(scope: Scope, receive: Receive, send: Send, *, status: int, told: Headers) -> None:
    response = error_response(_refusal(scope, status, told), status)
    response.headers.update({name: told[name] for name in _KEPT if name in told})
    await response(scope, receive, send)


def _refusal(scope: Scope, status: int, told: Headers) -> LibraryError:
    if status == 404:
        # Connect's own meaning of 404: https://connectrpc.com/docs/protocol#http-to-error-code
        remedy = "RPCs are at /PACKAGE.SERVICE/METHOD."
        return NotImplementedYet(f"There is nothing at '{printable(scope['path'])}'.", remedy=remedy)
    if status == 405:
        remedy = f"Use {told.get('allow', 'POST')}."
        return InvalidRequest(f"{printable(scope['method'])} is not answered here.", remedy=remedy)
    return _unread(scope) if status == 415 else Internal("The request failed.")


def _unread(scope: Scope) -> InvalidRequest:
    kind = Headers(scope=scope).get("content-type", "")
    remedy = "Send application/json, or application/connect+json to an RPC that streams."
    return InvalidRequest(f"The content type '{printable(kind)}' is not read here.", remedy=remedy)
