"""How far long work has come: bytes, percent, speed and time left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

# What would take longer than this is not known: it hardly moves.
LONGEST_ETA_SECONDS = 100 * 86_400
# In less time than this no speed is measured.
SHORTEST_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Bytes done of a total (0: not known), bytes per second, and seconds left (0: not known)."""

    done: int = 0
    total: int = 0
    speed: int = 0
    eta_seconds: int = 0

    @property
    def percent(self) -> int:
        """Whole percent, never above 100, and 100 only when all is done."""
        return min(100, self.done * 100 // self.total) if self.total > 0 else 0


@dataclass(frozen=True, kw_only=True)
class Tries:
    """Which try of how many, and when the next one begins; zeros where nothing is tried again."""

    attempt: int = 0
    attempts: int = 0
    next_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What work waits for, in words ("" while it moves), and which try that belongs to."""

    what: str = ""
    tries: Tries = Tries()


@dataclass
class SpeedMeter:
    """Speed over the last ``window`` seconds, from samples of a monotonic clock.

    Work that starts over is measured from there on: a speed is never negative.
    """

    window: float = 5.0
    _samples: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def measure(self, *, now: float, done: int, total: int) -> Progress:
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > self.window:
            self._samples.popleft()
        began, before = self._samples[0]
        elapsed = now - began
        speed = int((done - before) / elapsed) if elapsed >= SHORTEST_SECONDS else 0
        eta = -(-(total - done) // speed) if speed > 0 and total > done else 0
        known = eta if eta <= LONGEST_ETA_SECONDS else 0
        return Progress(done=done, total=total, speed=speed, eta_seconds=known)
