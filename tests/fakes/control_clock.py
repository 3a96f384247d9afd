"""A clock that moves when a test says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Fulfils the control plane's ``Clock``. Sleepers wake when ``advance`` has passed their time."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def jump(self, *, days: float) -> None:
        """Let the time of day pass without waking anybody."""
        self._start += timedelta(days=days)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        self._passed += seconds
        due = [f for at, f in self._sleepers if at <= self._passed]
        self._sleepers = [(at, f) for at, f in self._sleepers if at > self._passed]
        for future in due:
            if not future.done():
                future.set_result(None)
        await settle()


async def settle(turns: int = 50) -> None:
    """Let every task that can run come to rest."""
    for _ in range(turns):
        await asyncio.sleep(0)
