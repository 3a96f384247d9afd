"""Refreshing images: ask their publishers, fetch what is newer beside the old, let old versions go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.downloads import Downloads
from image_library.controlplane.services.publisher_desk import Heard, Inquiry, PublisherDesk
from image_library.controlplane.services.refresh_moves import RefreshMoves, RefreshResult
from image_library.controlplane.services.refresh_spread import Spreading
from image_library.controlplane.services.refresh_targets import RefreshTargets, Subject, Target
from image_library.controlplane.services.refresh_versions import Pruning
from image_library.domain.errors import InvalidRequest, LibraryError, UnknownJob
from image_library.domain.job import JobState
from image_library.domain.publisher import PublisherQuestion
from image_library.domain.refresh import KEPT_VERSIONS, Landing

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class RefreshWish:
    """Which images, by id, name or catalog id, or all that are here; never both."""

    images: tuple[str, ...] = ()
    all: bool = False
    # Only say what would change.
    dry_run: bool = False
    # How many versions stay; zero: as the server is set.
    keep: int = 0


class Refreshes:
    def __init__(
        self,
        *,
        database: Database,
        targets: RefreshTargets,
        desk: PublisherDesk,
        moves: RefreshMoves,
        spreading: Spreading,
        pruning: Pruning,
        downloads: Downloads,
        runs: DownloadRuns,
        clock: Clock,
        keep: int = KEPT_VERSIONS,
    ) -> None:
        self._database = database
        self._targets = targets
        self._desk = desk
        self._moves = moves
        self._spreading = spreading
        self._pruning = pruning
        self._downloads = downloads
        self._runs = runs
        self._clock = clock
        self._keep = keep
        self._followers: set[asyncio.Task[None]] = set()

    async def refresh(self, wish: RefreshWish) -> tuple[RefreshResult, ...]:
        """What came out for each name; one that cannot be told of is one result.

        Raises:
            InvalidRequest: neither images nor all are asked for, or both; or one that has no publisher.
            UnknownImage, AmbiguousImage: a name means nothing that is here, or several things.
        """
        if bool(wish.images) == wish.all:
            raise InvalidRequest(
                "Nothing is named to be refreshed."
                if not wish.all
                else "Either images or all are refreshed.",
                remedy="Name images, or ask for all of them.",
                field="images",
            )
        async with self._database.read() as records:
            found = await (
                self._targets.all(records) if wish.all else self._targets.named(records, wish.images)
            )
        return await self._run(found, keep=wish.keep or self._keep, dry_run=wish.dry_run)

    async def refresh_due(self, every: timedelta, *, dry_run: bool) -> tuple[RefreshResult, ...]:
        """Refresh, or only check, what nobody has asked about for this long."""
        now = self._clock.now()
        async with self._database.read() as records:
            found = await self._targets.all(records)
            asked = {(f.catalog_id, f.architecture): f.asked_at for f in await records.refreshes.findings()}
        # A moment that is still to come is a clock that was wrong.
        due = [t for t in found if not now - every < asked.get(t.subject, now - every) <= now]
        return await self._run(due, keep=self._keep, dry_run=dry_run)

    async def resume(self) -> None:
        """Take up what is to be done after jobs of an earlier run of the program."""
        async with self._database.read() as records:
            landings = await records.refreshes.landings()
        for landing in landings:
            self._follow(landing)

    async def close(self) -> None:
        """Stop following; what is left is taken up at the next start."""
        followers = list(self._followers)
        for task in followers:
            task.cancel()
        await asyncio.gather(*followers, return_exceptions=True)

    async def _run(self, targets: Sequence[Target], *, keep: int, dry_run: bool) -> tuple[RefreshResult, ...]:
        heard = await self._desk.ask({t.subject: _inquiry(t) for t in targets if t.present})
        return tuple([await self._one(t, heard, keep=keep, dry_run=dry_run) for t in targets])

    async def _one(
        self, target: Target, heard: dict[Subject, Heard], *, keep: int, dry_run: bool
    ) -> RefreshResult:
        word = heard.get(target.subject) if target.present else None
        async with self._database.write() as records:
            result = await self._moves.act(records, target, word, keep=keep, dry_run=dry_run)
        if result.job and result.landing:
            self._runs.start(result.job)
            self._follow(result.landing)
        elif not dry_run and not result.job:
            await self._pruning.prune(target.image.name, target.image.project_id, keep=keep)
        log.info(
            "image_refreshed" if not dry_run else "image_checked",
            image_id=result.image.id,
            catalog_id=result.image.catalog_id,
            outcome=result.report.freshness.value,
            job_id=result.job.id if result.job else "",
        )
        return result

    def _follow(self, landing: Landing) -> None:
        task = asyncio.create_task(self._settle(landing), name=f"refresh-{landing.job_id}")
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)

    async def _settle(self, landing: Landing) -> None:
        """Wait for the job's end, and do what is to be done if it brought a new version."""
        try:
            with suppress(UnknownJob):
                job = await self._downloads.ended(landing.job_id)
                if job.state is JobState.READY:
                    await self._landed(landing)
            async with self._database.write() as records:
                await records.refreshes.settled(landing.job_id)
        except LibraryError as error:
            log.warning("refresh_not_settled", job_id=landing.job_id, code=error.code)
        except Exception:
            log.exception("refresh_fault", job_id=landing.job_id)

    async def _landed(self, landing: Landing) -> None:
        # A node whose only version goes would not be known to have the name any more.
        await self._spreading.spread(landing.name, landing.project_id)
        await self._pruning.prune(landing.name, landing.project_id, keep=landing.keep)


def _inquiry(target: Target) -> Inquiry:
    question = PublisherQuestion.about(target.variant) if target.variant else None
    return Inquiry(question=question, nodes=target.nodes)
