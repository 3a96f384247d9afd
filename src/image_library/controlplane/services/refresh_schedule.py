"""Asking publishers from time to time, so that what is here does not grow old unnoticed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.services.refresh_moves import RefreshResult
from image_library.domain.errors import LibraryError
from image_library.domain.refresh import Freshness

log = structlog.get_logger()

# Seconds, at random between the two: not every control plane shall ask at the same time.
BEFORE_FIRST_LOOK = (60.0, 600.0)
BETWEEN_LOOKS = (900.0, 1800.0)


class Refreshing(Protocol):
    """The part of the refreshes that the schedule needs."""

    async def refresh_due(self, every: timedelta, *, dry_run: bool) -> tuple[RefreshResult, ...]: ...


class RefreshSchedule:
    """When each publisher was last asked is in the database, so that restarts do not ask again."""

    def __init__(
        self,
        *,
        refreshes: Refreshing,
        clock: Clock,
        every: timedelta,
        fetch: bool,
        between: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._refreshes = refreshes
        self._clock = clock
        self._every = every
        self._fetch = fetch
        self._between = between

    async def run(self) -> None:
        """Look for what is due; runs until it is cancelled."""
        await self._clock.sleep(self._between(*BEFORE_FIRST_LOOK))
        while True:
            await self._look()
            await self._clock.sleep(self._between(*BETWEEN_LOOKS))

    async def _look(self) -> None:
        try:
            results = await self._refreshes.refresh_due(self._every, dry_run=not self._fetch)
        except LibraryError as error:
            log.warning("refresh_failed", code=error.code)
        except Exception:
            log.exception("refresh_fault")
        else:
            newer = [r.image.name for r in results if r.report.freshness is Freshness.NEWER_AVAILABLE]
            if newer:
                log.info("newer_images_known", images=newer, fetched=self._fetch)
