"""Somebody who signed in with a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# How long a browser stays signed in, and how long a link that signs in can be used.
SESSION_LIFE = timedelta(days=7)
LINK_LIFE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What is kept of a session: a digest of its secret, which only the browser has."""

    id: str
    created_at: datetime
    expires_at: datetime
