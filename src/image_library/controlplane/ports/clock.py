"""Time, as it is asked for and waited for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

# Gives a new, unguessable id.
NewId = Callable[[], str]


class Clock(Protocol):
    def now(self) -> datetime:
        """The time of day in UTC, for people. It may jump; nothing is measured with it."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling the caller ends it."""
        ...
