"""Signing in with a browser: a secret in a cookie for a while, instead of the operator's token for ever."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.domain.errors import Unauthenticated
from image_library.domain.session import LINK_LIFE, SESSION_LIFE, Session

# Of a secret, so that it cannot be guessed.
_SECRET_BYTES = 32


class Sessions:
    """The sessions of this control plane. One process holds them; the database keeps them over restarts.

    What is kept of a secret is its digest under the operator's token: who reads the database cannot sign
    in, and a new token ends every session.
    """

    def __init__(self, *, database: Database, clock: Clock, token: str) -> None:
        self._database = database
        self._clock = clock
        self._token = token.encode()
        self._known: dict[str, datetime] = {}
        # Links live in memory: one that was printed before a restart is gone.
        self._links: dict[str, datetime] = {}

    async def load(self) -> None:
        """Remember the sessions of earlier runs that have not expired."""
        async with self._database.write() as records:
            await records.sessions.expire(self._clock.now())
            self._known = {kept.id: kept.expires_at for kept in await records.sessions.all()}

    async def begin(self) -> str:
        """A new session's secret."""
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now()
        session = Session(id=self._digest(secret), created_at=now, expires_at=now + SESSION_LIFE)
        async with self._database.write() as records:
            await records.sessions.expire(now)
            await records.sessions.save(session)
        self._known = {key: until for key, until in self._known.items() if until > now}
        self._known[session.id] = session.expires_at
        return secret

    async def end(self, secret: str) -> None:
        """Sign out; a secret that is not known is no matter."""
        key = self._digest(secret)
        self._known.pop(key, None)
        async with self._database.write() as records:
            await records.sessions.remove(key)

    def holds(self, secret: str) -> bool:
        """Whether the secret is that of a session that has not expired."""
        until = self._known.get(self._digest(secret))
        return until is not None and until > self._clock.now()

    def new_link(self) -> str:
        """A code that begins one session, once and soon; it is not the operator's token."""
        code, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now()
        self._links = {key: until for key, until in self._links.items() if until > now}
        self._links[self._digest(code)] = now + LINK_LIFE
        return code

    def use_link(self, code: str) -> None:
        """Raises Unauthenticated: the code is not known, was used, or its time is over."""
        until = self._links.pop(self._digest(code), None)
        if until is None or until <= self._clock.now():
            raise Unauthenticated(
                "The sign-in link was used already, or its time is over.",
                remedy="Run 'limiquantix web' for a new one, or sign in with the token in <data-dir>/token.",
            )

    def _digest(self, secret: str) -> str:
        return hmac.new(self._token, secret.encode(), hashlib.sha256).hexdigest()
