"""Telling those who wait that something has changed. Carries no state: a follower reads the latest itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager


class Changed:
    """One follower's bell. Many rings before ``wait`` are one: slow followers skip, they never queue."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


class Changes:
    """Bells by key, such as a job's id. Used from one event loop."""

    def __init__(self) -> None:
        self._followers: defaultdict[str, set[Changed]] = defaultdict(set)

    def notify(self, key: str) -> None:
        for follower in self._followers.get(key, ()):
            follower.ring()

    @contextmanager
    def follow(self, key: str) -> Generator[Changed]:
        """A bell for ``key``. Follow first, then read the state: no change is missed that way."""
        changed = Changed()
        self._followers[key].add(changed)
        try:
            yield changed
        finally:
            self._followers[key].discard(changed)
            if not self._followers[key]:
                del self._followers[key]
