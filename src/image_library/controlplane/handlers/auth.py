"""Who is calling, and whether they may: before a request's body is even read."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.rights import RIGHTS, Role
from image_library.domain.errors import PermissionDenied, Unauthenticated

_SCHEME = "bearer "


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The secrets that callers show. They do not print."""

    operator: str = field(repr=False)
    join: str = field(repr=False)


class Auth:
    """A Connect metadata interceptor: the caller's role must have the right to the RPC."""

    def __init__(self, tokens: Tokens, *, required: bool) -> None:
        self._roles = {tokens.operator: Role.OPERATOR, tokens.join: Role.NODE}
        self._required = required

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        name = f"{ctx.method.service_name}/{ctx.method.name}"
        role = self.role(ctx.request_headers.get("authorization", ""))
        if role not in RIGHTS.get(name, frozenset()):
            raise PermissionDenied(f"The {role.value}'s token may not call {ctx.method.name}.")

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        """Nothing to take back."""

    def role(self, sent: str) -> Role:
        """Whose token an Authorization header shows.

        Raises:
            Unauthenticated: it shows none, or one that is not known.
        """
        if not self._required:
            return Role.OPERATOR
        if not sent.lower().startswith(_SCHEME):
            raise Unauthenticated("The request carries no token.")
        shown = sent[len(_SCHEME) :].strip().encode()
        # Every token is compared, each in constant time.
        fitting = [r for token, r in self._roles.items() if hmac.compare_digest(token.encode(), shown)]
        if not fitting:
            raise Unauthenticated("The token is not known here.")
        return fitting[0]
