"""Trying again: each way to a source in turn, then a wait, until the rules say that it is enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import structlog

from image_library.domain.errors import (
    AddressDenied,
    BadLength,
    FormatMismatch,
    LibraryError,
    NotAnImage,
    RedirectDenied,
    SizeExceeded,
    SourceNotFound,
    SourceRefused,
    SourceTls,
    SourceUnreachable,
)
from image_library.domain.progress import Tries, Waiting
from image_library.node.adapters.fetcher.failures import TryAgain
from image_library.node.adapters.fetcher.policy import Way
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.clock import Clock
from image_library.node.ports.fetching import Tell

log = structlog.get_logger()
T = TypeVar("T")

# What is wrong with one way only: another one may do.
OF_THE_WAY = (
    AddressDenied,
    BadLength,
    FormatMismatch,
    NotAnImage,
    RedirectDenied,
    SizeExceeded,
    SourceNotFound,
    SourceRefused,
    SourceTls,
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of one way. ``moves`` is called when bytes come."""

    way: Way
    moves: Callable[[], None]
    waiting: Tell

    @property
    def host(self) -> str:
        return host_of(self.way)


class Attempts:
    """The tries of one fetch."""

    def __init__(
        self,
        ways: tuple[Way, ...],
        *,
        rules: RetryRules,
        clock: Clock,
        traffic: Traffic,
        waiting: Tell,
        done: Callable[[], int] = lambda: 0,
    ) -> None:
        """``done`` tells the bytes that are here."""
        self._ways = list(ways)
        self._rules = rules
        self._clock = clock
        self._traffic = traffic
        self._waiting = waiting
        self._done = done

    async def run(self, attempt: Callable[[Attempt], Awaitable[T]]) -> T:
        """What the first attempt that succeeds gives.

        Raises:
            The last word of the last way.
        """
        number, since, of = 0, self._clock.monotonic(), self._rules.attempts
        while True:
            before = self._done()
            moves = partial(self._waiting, Waiting(tries=Tries(attempt=number + 1, attempts=of)))
            given, failures = await self._round(attempt, moves)
            if given is not None:
                return given[0]
            last = failures[-1]
            if self._done() - before >= self._rules.worthwhile:
                number, since = 0, self._clock.monotonic()
            number += 1
            late = self._clock.monotonic() - since > self._rules.within
            if late or number >= of:
                raise last.last_word from last
            pause, asked = self._pause(failures, number)
            # What the source asks for is no fault of its own to be counted.
            since += asked
            log.info("fetch_failed", code=last.last_word.code, attempt=number, pause=round(pause, 1))
            next_at = self._clock.now() + timedelta(seconds=pause)
            said = f"{last.last_word.message} Trying again in {max(1, round(pause))} s."
            self._waiting(Waiting(what=said, tries=Tries(attempt=number + 1, attempts=of, next_at=next_at)))
            await self._clock.sleep(pause)

    async def _round(
        self, attempt: Callable[[Attempt], Awaitable[T]], moves: Callable[[], None]
    ) -> tuple[tuple[T] | None, list[TryAgain]]:
        """Each way once, but of hosts that rest only where all do; until one brings much before it breaks."""
        failures: list[TryAgain] = []
        for way in [w for w in self._ways if not self._traffic.rests(host_of(w))] or tuple(self._ways):
            before = self._done()
            trying = Attempt(way=way, moves=moves, waiting=self._waiting)
            try:
                given = await attempt(trying)
            except TryAgain as failed:
                failures.append(failed)
                if isinstance(failed.last_word, SourceUnreachable):
                    self._traffic.failed(trying.host, asked=failed.wait, rules=self._rules)
                if self._done() - before >= self._rules.worthwhile:
                    break
            except OF_THE_WAY as error:
                self._give_up(way, error)
            else:
                self._traffic.answered(trying.host)
                return (given,), failures
        return None, failures

    def _give_up(self, way: Way, error: LibraryError) -> None:
        """No further try of this way. Raises the error where it was the last."""
        self._ways.remove(way)
        if not self._ways:
            raise error
        log.warning("way_given_up", host=host_of(way), code=error.code, carries=way.carries)

    def _pause(self, failures: list[TryAgain], number: int) -> tuple[float, float]:
        """Seconds to wait, and how many of them a source asked for."""
        asked = [failed.wait for failed in failures]
        if any(wait is None for wait in asked):
            return self._rules.wait_before(number), 0.0
        pause = min(wait for wait in asked if wait is not None)
        return pause, pause


def host_of(way: Way) -> str:
    """HOST, or HOST:PORT where the port is not the usual one."""
    return urlsplit(way.url).netloc or "the library"
