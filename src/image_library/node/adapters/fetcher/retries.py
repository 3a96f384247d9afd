"""When a fetch is tried again, and how long is waited before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_ASKED_WAIT = 3600.0


@dataclass(frozen=True, kw_only=True)
class RetryRules:
    """Seconds where nothing else is said."""

    attempts: int = 8
    within: float = 30 * 60.0
    first_wait: float = 1.0
    longest_wait: float = 120.0
    # Below this rate for this long, the connection counts as dead.
    slowest_rate: int = 1024
    patience: float = 60.0
    connect: float = 30.0
    # An attempt that brought this much was a good one: the count begins anew.
    worthwhile: int = 1 << 20
    # A number from 0 to 1, so that many who failed together do not come back together.
    jitter: Callable[[], float] = random.random

    def wait_before(self, attempt: int) -> float:
        """Exponential, with full jitter; ``attempt`` counts from 1 (the first one again)."""
        longest = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        return longest * (0.5 + self.jitter() / 2)


# For questions whose asker waits for the answer.
ASKING = RetryRules(attempts=3, within=20.0, longest_wait=4.0, patience=10.0)


def asked_wait(header: str, now: datetime) -> float | None:
    """What a Retry-After header asks for; None where that is nothing usable, or more than an hour."""
    text = header.strip()
    try:
        seconds = (
            float(text[:9])
            if text.isascii() and text.isdecimal()
            else (parsedate_to_datetime(text) - now).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds <= LONGEST_ASKED_WAIT else None
