"""Who is calling a plain HTTP endpoint: the same tokens as for the RPCs."""

from __future__ import annotations

from starlette.datastructures import Headers

from image_library.controlplane.handlers.auth import Auth
from image_library.controlplane.handlers.rights import Role
from image_library.domain.errors import PermissionDenied


class HttpAccess:
    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def require_operator(self, headers: Headers) -> None:
        """Raises Unauthenticated or PermissionDenied."""
        role = self._auth.role(headers.get("authorization", ""))
        if role is not Role.OPERATOR:
            raise PermissionDenied(f"The {role.value}'s token may not do this.")
