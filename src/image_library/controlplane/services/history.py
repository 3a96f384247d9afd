"""What is remembered of work that is over, and for how long."""

from __future__ import annotations

from datetime import timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.domain.errors import LibraryError

log = structlog.get_logger()

MOST_JOBS = 10_000
DAYS_OF_CALLS = 7
EVERY_SECONDS = 3600.0
# Of one transaction, so that nobody waits long for the database.
_AT_ONCE = 500


class History:
    def __init__(self, *, database: Database, clock: Clock, job_days: int) -> None:
        self._database = database
        self._clock = clock
        self._job_days = job_days

    async def watch(self) -> None:
        """Prune every hour; runs until it is cancelled."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            await self.tidy()

    async def tidy(self) -> None:
        """Prune if that is possible."""
        try:
            await self.prune()
        except LibraryError as error:
            log.warning("history_not_pruned", code=error.code)

    async def prune(self) -> int:
        """Drop old ended jobs, and calls with keys; how many jobs they were."""
        now, dropped = self._clock.now(), 0
        while True:
            async with self._database.write() as records:
                some = await records.jobs.prune(
                    now - timedelta(days=self._job_days), keep=MOST_JOBS, most=_AT_ONCE
                )
            dropped += some
            if some < _AT_ONCE:
                break
        async with self._database.write() as records:
            calls = await records.calls.forget(now - timedelta(days=DAYS_OF_CALLS))
        if dropped or calls:
            log.info("history_pruned", jobs=dropped, calls=calls)
        return dropped
