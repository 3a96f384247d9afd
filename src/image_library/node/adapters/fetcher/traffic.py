"""How much a node asks of each host at once, when it lets a host be, and how fast it reads altogether."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from image_library.domain.progress import Waiting
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.ports.clock import Clock
from image_library.node.ports.fetching import Tell

CONNECTIONS_PER_HOST = 4
# So many failures in a row, whoever's, and a host is left alone for a while.
_SICK_AFTER = 5
# Shorter waits than this are not worth a timer; what is owed is paid with the next bytes.
_SHORTEST_SLEEP = 0.005


@dataclass
class _Host:
    slots: asyncio.Semaphore | None
    failures: int = 0
    # Downloads from it, those that wait for a slot too.
    downloads: int = 0
    # Not asked before then, and not over several connections for one file; a monotonic clock's time.
    until: float = field(default=0.0)
    single_until: float = field(default=0.0)


class Traffic:
    """Shared by all fetchers of a node. Used from one event loop."""

    def __init__(
        self, clock: Clock, *, per_host: int = CONNECTIONS_PER_HOST, bytes_per_second: int = 0
    ) -> None:
        """0 is no limit, in both."""
        self._clock = clock
        self._per_host = per_host
        self._rate = bytes_per_second
        self._hosts: dict[str, _Host] = {}
        # When the bytes read so far will have been paid for.
        self._paid_at = 0.0

    @asynccontextmanager
    async def turn(self, host: str, waiting: Tell) -> AsyncGenerator[None]:
        """One of the host's connections, for as long as the block lasts; waits until it may be asked."""
        known = self._host(host)
        if known.slots is not None and known.slots.locked():
            waiting(Waiting(what=f"{self._per_host} downloads from {host} are under way; this one is next."))
        known.downloads += 1
        try:
            async with known.slots or nullcontext():
                await self.well(host, waiting)
                yield
        finally:
            known.downloads -= 1

    @asynccontextmanager
    async def another(self, host: str) -> AsyncGenerator[bool]:
        """One more of the host's connections, where it can be had at once; whether it could."""
        slots = self._host(host).slots
        if slots is None or slots.locked():
            yield slots is None
            return
        async with slots:
            yield True

    def is_shared(self, host: str) -> bool:
        """Whether several downloads have or want connections to the host."""
        return self._host(host).downloads > 1

    def is_single(self, host: str) -> bool:
        """Whether several connections for one file are of no use with this host."""
        return self._host(host).single_until > self._clock.monotonic()

    def keep_single(self, host: str, seconds: float) -> None:
        self._host(host).single_until = self._clock.monotonic() + seconds

    def more(self, host: str) -> bool:
        """Whether one more connection to the host would be had at once."""
        slots = self._host(host).slots
        return slots is None or not slots.locked()

    def rests(self, host: str) -> bool:
        """Whether the host is to be let alone now."""
        return self._host(host).until > self._clock.monotonic()

    def answered(self, host: str) -> None:
        self._host(host).failures = 0

    def failed(self, host: str, *, asked: float | None, rules: RetryRules) -> None:
        """The host could not answer. ``asked``: seconds after which it wants to be asked again."""
        known, now = self._host(host), self._clock.monotonic()
        known.failures += 1
        pause = asked or 0.0
        if asked is None and known.failures >= _SICK_AFTER:
            pause = rules.wait_before(known.failures - _SICK_AFTER + 1)
        known.until = max(known.until, now + pause)

    @property
    def limited(self) -> bool:
        return self._rate > 0

    async def pay(self, count: int) -> None:
        """Wait until so many more bytes may have been read. First come, first served, block by block."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        begins = max(now, self._paid_at)
        self._paid_at = begins + count / self._rate
        if begins - now > _SHORTEST_SLEEP:
            await self._clock.sleep(begins - now)

    async def well(self, host: str, waiting: Tell) -> None:
        """Wait until the host may be asked."""
        known = self._host(host)
        while (pause := known.until - self._clock.monotonic()) > 0:
            at = self._clock.now() + timedelta(seconds=pause)
            waiting(Waiting(what=f"{host} is left alone until {at:%H:%M:%S} UTC."))
            await self._clock.sleep(pause)

    def _host(self, host: str) -> _Host:
        known = self._hosts.get(host)
        if known is None:
            slots = asyncio.Semaphore(self._per_host) if self._per_host else None
            known = self._hosts[host] = _Host(slots=slots)
        return known
