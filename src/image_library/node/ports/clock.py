"""Time, as something that can be given."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall-clock time with a time zone; for records, never for measuring."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump; for measuring and waiting."""
        ...

    async def sleep(self, seconds: float) -> None: ...
