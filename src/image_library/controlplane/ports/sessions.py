"""Sessions of browsers, kept over restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from image_library.domain.session import Session


class Sessions(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def all(self) -> Sequence[Session]: ...

    async def save(self, session: Session) -> None:
        """Adds or replaces it."""
        ...

    async def remove(self, session_id: str) -> None:
        """Forget it, if it is there."""
        ...

    async def expire(self, now: datetime) -> int:
        """Forget those whose time is over; how many they were."""
        ...
