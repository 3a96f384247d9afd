"""Signing in and out with a browser, over plain HTTP at /session.

GET /session           {"signedIn": …, "required": …}
POST /session          {"token": …} or {"code": …}, of a one-time link: sets the cookie
DELETE /session        signs out
POST /session/link     with the operator's token: {"path": …} of a new one-time link
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from image_library.controlplane.handlers.auth import Auth
from image_library.controlplane.handlers.error_body import error_response
from image_library.controlplane.handlers.http_access import STATUSES, HttpAccess
from image_library.controlplane.handlers.rights import Role
from image_library.controlplane.handlers.session_cookie import SessionCookie
from image_library.controlplane.services.sessions import Sessions
from image_library.domain.errors import InvalidRequest, LibraryError, PermissionDenied

PATH = "/session"
Answer = Callable[[Request], Awaitable[Response]]


def link_path(sessions: Sessions) -> str:
    """Of a one-time link to the sign-in page. What stands behind # is sent to no server, and in no log."""
    return f"/sign-in#{sessions.new_link()}"


class SignIn:
    """Routes to be mounted in the web application."""

    def __init__(self, sessions: Sessions, auth: Auth, cookie: SessionCookie) -> None:
        self._sessions = sessions
        self._auth = auth
        self._cookie = cookie

    def routes(self) -> list[Route]:
        doors = {"GET": self._state, "POST": self._begin, "DELETE": self._end}
        return [
            *(Route(PATH, _answering(answer), methods=[method]) for method, answer in doors.items()),
            Route(f"{PATH}/link", _answering(self._link), methods=["POST"]),
        ]

    async def _state(self, request: Request) -> Response:
        try:
            signed_in = self._auth.role(request.headers) is Role.OPERATOR
        except LibraryError:
            signed_in = False
        return JSONResponse({"signedIn": signed_in, "required": self._auth.required})

    async def _begin(self, request: Request) -> Response:
        shown = await _shown(request)
        if "code" in shown:
            self._sessions.use_link(shown["code"])
        elif self._auth.owner(shown.get("token", "").strip()) is not Role.OPERATOR:
            raise PermissionDenied("The node's token does not sign in.")
        response = JSONResponse({"signedIn": True, "required": self._auth.required})
        self._cookie.give(response, await self._sessions.begin())
        return response

    async def _end(self, request: Request) -> Response:
        await self._sessions.end(self._cookie.read(request.headers.get("cookie", "")))
        response = Response(status_code=204)
        self._cookie.take(response)
        return response

    async def _link(self, request: Request) -> Response:
        HttpAccess(self._auth).require_operator(request.headers)
        return JSONResponse({"path": link_path(self._sessions)})


def _answering(answer: Answer) -> Answer:
    async def answered(request: Request) -> Response:
        try:
            response = await answer(request)
        except LibraryError as error:
            response = error_response(error, STATUSES.get(error.kind, 500))
        response.headers["Cache-Control"] = "no-store"
        return response

    return answered


async def _shown(request: Request) -> dict[str, str]:
    """What the body shows. Only JSON is read: a form of a foreign page cannot send that."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidRequest("Signing in takes application/json.", field="Content-Type")
    try:
        said: Any = json.loads(await request.body())
    except ValueError:
        said = None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise InvalidRequest("Signing in takes an object with 'token' or 'code'.", field="token")
    return said  # pyright: ignore[reportUnknownVariableType]
