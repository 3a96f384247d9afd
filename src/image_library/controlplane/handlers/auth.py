"""Who is calling, and whether they may: before a request's body is even read."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.rights import RIGHTS, Role
from image_library.controlplane.handlers.session_cookie import SessionCookie
from image_library.controlplane.services.sessions import Sessions
from image_library.domain.errors import OriginDenied, PermissionDenied, Unauthenticated

_SCHEME = "bearer "
# What browsers say of a request of our own page, and of one that the user made without any page.
_OWN_SITES = ("same-origin", "none")


class Headers(Protocol):
    """Of a request, whatever framework reads them."""

    def get(self, key: str, default: str, /) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The secrets that callers show. They do not print."""

    operator: str = field(repr=False)
    join: str = field(repr=False)


class Auth:
    """A Connect metadata interceptor: the caller's role must have the right to the RPC."""

    def __init__(
        self, tokens: Tokens, *, required: bool, sessions: Sessions, cookie: SessionCookie | None = None
    ) -> None:
        self._roles = {tokens.operator: Role.OPERATOR, tokens.join: Role.NODE}
        self.required = required
        self._sessions = sessions
        self._cookie = cookie or SessionCookie()

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        name = f"{ctx.method.service_name}/{ctx.method.name}"
        role = self.role(ctx.request_headers)
        if role not in RIGHTS.get(name, frozenset()):
            raise PermissionDenied(f"The {role.value}'s token may not call {ctx.method.name}.")

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        """Nothing to take back."""

    def role(self, headers: Headers) -> Role:
        """Who sends these headers.

        Raises:
            Unauthenticated: they show neither a known token nor the cookie of a session.
            OriginDenied: a session's cookie came without the browser's word that our own page sent it.
        """
        if not self.required:
            return Role.OPERATOR
        sent = headers.get("authorization", "")
        if not sent and self._has_session(headers):
            return Role.OPERATOR
        if not sent.lower().startswith(_SCHEME):
            raise Unauthenticated("The request carries no token.")
        return self.owner(sent[len(_SCHEME) :].strip())

    def owner(self, token: str) -> Role:
        """Whose token it is.

        Raises:
            Unauthenticated: nobody's.
        """
        shown = token.encode()
        # Every token is compared, each in constant time.
        fitting = [r for known, r in self._roles.items() if hmac.compare_digest(known.encode(), shown)]
        if not fitting:
            raise Unauthenticated("The token is not known here.")
        return fitting[0]

    def _has_session(self, headers: Headers) -> bool:
        secret = self._cookie.read(headers.get("cookie", ""))
        if not secret or not self._sessions.holds(secret):
            return False
        # A browser adds a cookie unasked. Foreign pages were refused before; this is for what says nothing.
        if not headers.get("origin", "") and headers.get("sec-fetch-site", "") not in _OWN_SITES:
            raise OriginDenied("A session's cookie counts only where the browser says which page sent it.")
        return True
