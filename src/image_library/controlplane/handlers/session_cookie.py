"""The cookie that holds a session's secret.

Source: RFC 6265bis, sections 4.1.3.2 (the __Host- prefix) and 5.2 (SameSite). Chromium and Firefox take
loopback for a secure origin, also over plain HTTP; others sign in over TLS, or with --no-auth.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.responses import Response

from image_library.domain.session import SESSION_LIFE


@dataclass(frozen=True)
class SessionCookie:
    # Cookies are shared by all ports of a host: two servers on one machine shall not sign each other out.
    port: int = 0

    @property
    def name(self) -> str:
        return f"__Host-limiquantix-{self.port}"

    def read(self, header: str) -> str:
        """The secret in a Cookie header; empty where there is none."""
        try:
            found = SimpleCookie(header).get(self.name)
        except CookieError:
            return ""
        return found.value if found else ""

    def give(self, response: Response, secret: str) -> None:
        seconds = int(SESSION_LIFE.total_seconds())
        response.set_cookie(
            self.name, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict"
        )

    def take(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=True, httponly=True, samesite="strict")
