"""Who is calling a plain HTTP endpoint: the same tokens as for the RPCs."""

from __future__ import annotations

from starlette.datastructures import Headers

from image_library.controlplane.handlers.auth import Auth
from image_library.controlplane.handlers.rights import Role
from image_library.domain.errors import Kind, PermissionDenied

# What plain HTTP says for each kind of error.
STATUSES = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.EXISTS: 409,
    Kind.PRECONDITION: 412,
    Kind.EXHAUSTED: 507,
    Kind.UNAVAILABLE: 503,
}


class HttpAccess:
    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def require_known(self, headers: Headers) -> None:
        """Raises Unauthenticated: neither the operator's token is shown nor the nodes'."""
        self._auth.role(headers)

    def require_operator(self, headers: Headers) -> None:
        """Raises Unauthenticated or PermissionDenied."""
        role = self._auth.role(headers)
        if role is not Role.OPERATOR:
            raise PermissionDenied(f"The {role.value}'s token may not do this.")
