"""One supervised task for every live download: it follows the node, through every absence, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.services.download_log import DownloadLog
from image_library.controlplane.services.download_outcome import progressed
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changed, Changes
from image_library.domain.errors import Internal, LibraryError, NodeUnreachable, StoreDegraded, UnknownJob
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.progress import Tries
from image_library.domain.store import Download, DownloadOrder

log = structlog.get_logger()

SAVE_EVERY_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
# Faults of our own in a row, after which a job is given up rather than tried for ever.
MOST_FAULTS = 3
MOST_ENDED = 100
CANCEL_PATIENCE_SECONDS = 10.0
# However long a node was away before: this long a new process of ours waits for it itself.
LEAST_PATIENCE_SECONDS = 300.0


# The key under which ``Changes`` tells that some node is back, or has bytes that are not wanted any more.
ANY_NODE = "node:"
# The key under which ``Changes`` tells that some job has ended.
ANY_END = "job-ended:"


def node_key(node_id: str) -> str:
    """The key under which ``Changes`` tells that a node is back."""
    return f"node:{node_id}"


def job_key(job_id: str) -> str:
    """The key under which ``Changes`` tells that a job has moved."""
    return f"job:{job_id}"


def _awaited(node: Node, refused: StoreDegraded) -> str:
    """What a job waits for whose node begins nothing new, by the node's last heartbeat or its answer."""
    return (
        node.degraded.awaited(node.hostname) if node.degraded else f"node {node.hostname}: {refused.message}"
    )


class _NotRecorded(Exception):
    """The node said something and our database could not take it; the node will say it again."""


@dataclass
class _Run:
    """A live job as it is followed: the latest word, which may be newer than the database's."""

    job: Job
    saved_at: float = float("-inf")
    # Since when this process knows the node to be away.
    away_since: float = float("inf")
    cancel_wanted: bool = False
    reason: LibraryError | None = None
    cancel_told: bool = False
    faults: int = 0
    wake: Changed = field(default_factory=Changed)


class DownloadRuns:
    def __init__(
        self,
        *,
        records: DownloadLog,
        gateway: NodeGateway,
        changes: Changes,
        clock: Clock,
        patience: timedelta = timedelta(hours=24),
    ) -> None:
        """``patience``: a job whose node stays away for longer fails."""
        self._log = records
        self._gateway = gateway
        self._changes = changes
        self._clock = clock
        self._patience = patience
        self._runs: dict[str, _Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # The last ones, for those who watch them; an ended job never changes.
        self._ended: dict[str, Job] = {}

    def start(self, job: Job) -> None:
        """Follow a live job; following it twice is following it once."""
        if job.id in self._runs:
            return
        self._runs[job.id] = _Run(job=job)
        task = asyncio.create_task(self._supervise(self._runs[job.id]), name=f"download-{job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    def follows(self, job_id: str) -> bool:
        return job_id in self._runs

    def live(self) -> tuple[Job, ...]:
        """Every job that is followed, as it is known this moment."""
        return tuple(run.job for run in self._runs.values())

    def heard_of(self, job_id: str) -> Job | None:
        """The job as it is known this moment, if it is followed or was a moment ago."""
        run = self._runs.get(job_id)
        return run.job if run else self._ended.get(job_id)

    def latest(self, job: Job) -> Job:
        """The job as it is known this moment."""
        run = self._runs.get(job.id)
        return run.job if run else job

    async def cancel(self, job: Job, reason: LibraryError | None = None) -> None:
        """Ask the node to stop, and wait a while for its answer. An away node is told when it is back.

        With a reason the job fails by it instead of being cancelled.
        """
        job_id = job.id
        self.start(job)
        run = self._runs[job_id]
        with self._changes.follow(job_key(job_id)) as moved:
            run.cancel_wanted, run.reason = True, reason
            await self._tell(run)
            run.wake.ring()
            deadline = self._clock.monotonic() + CANCEL_PATIENCE_SECONDS
            while job_id in self._runs and (left := deadline - self._clock.monotonic()) > 0:
                await bell_or_time(moved, self._clock, left)

    async def close(self) -> None:
        """Stop following; the nodes go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self, run: _Run) -> None:
        pause = FIRST_PAUSE_SECONDS
        with self._changes.follow(node_key(run.job.node_id)) as back:
            # One bell for both: the node's return and a wish to cancel end the pause.
            run.wake = back
            while not await self._attempt(run):
                await bell_or_time(back, self._clock, pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            while run.cancel_wanted and not run.cancel_told:
                await bell_or_time(back, self._clock, LONGEST_PAUSE_SECONDS)
                await self._tell_at_last(run)

    async def _attempt(self, run: _Run) -> bool:
        """Follow the node once; True when the job has ended."""
        try:
            over = await self._follow(run)
            run.faults = 0
            return over
        except _NotRecorded as error:
            log.warning("download_not_recorded", job_id=run.job.id, cause=repr(error.__cause__))
            return False
        except LibraryError as error:
            return await self._give_up(run, error)
        except Exception:
            run.faults += 1
            log.exception("download_fault", job_id=run.job.id, faults=run.faults)
            if run.faults < MOST_FAULTS:
                return False
            return await self._give_up(run, Internal("Following the download failed."))

    async def _give_up(self, run: _Run, error: LibraryError) -> bool:
        try:
            self._over(run, await self._log.fail(run.job, error))
        except LibraryError as unrecorded:
            log.warning("download_not_recorded", job_id=run.job.id, cause=repr(unrecorded))
            return False
        return True

    async def _follow(self, run: _Run) -> bool:
        job, order, node = await self._load(run)
        if job.state.ended:
            self._over(run, job)
            return True
        if run.cancel_wanted:
            await self._tell(run)
            ended = self._log.fail(run.job, run.reason) if run.reason else self._log.cancel(run.job)
            self._over(run, await ended)
            return True
        try:
            async with aclosing(self._gateway.download(node, order)) as reports:
                return await self._listen(run, order, reports)
        except NodeUnreachable:
            await self._wait_for(run, f"node {node.hostname}, which does not answer")
            self._judge_absence(run, node)
            return False
        except StoreDegraded as refused:
            await self._wait_for(run, _awaited(node, refused))
            return False

    async def _load(self, run: _Run) -> tuple[Job, DownloadOrder, Node]:
        try:
            return await self._log.open(run.job.id)
        except UnknownJob:
            raise
        except LibraryError as error:
            raise _NotRecorded from error

    async def _listen(self, run: _Run, order: DownloadOrder, reports: AsyncGenerator[Download]) -> bool:
        async for download in reports:
            try:
                await self._note(run, order, download)
            except LibraryError as error:
                raise _NotRecorded from error
            if download.state.ended:
                return True
            if run.cancel_wanted and not run.cancel_told:
                await self._tell(run)
        return False

    async def _note(self, run: _Run, order: DownloadOrder, download: Download) -> None:
        if download.state.ended:
            self._over(run, await self._log.end(run.job, order, download))
            return
        run.away_since = float("inf")
        before = run.job
        run.job = progressed(before, download, self._clock.now())
        self._changes.notify(job_key(run.job.id))
        turned = (before.state, before.waiting_for) != (run.job.state, run.job.waiting_for)
        await self._save(run, now=turned)

    async def _save(self, run: _Run, *, now: bool) -> None:
        moment = self._clock.monotonic()
        if now or moment - run.saved_at >= SAVE_EVERY_SECONDS:
            await self._log.progress(run.job)
            run.saved_at = moment

    async def _wait_for(self, run: _Run, waiting: str) -> None:
        if run.job.waiting_for != waiting:
            run.job = run.job.evolve(waiting_for=waiting, tries=Tries(), updated_at=self._clock.now())
            self._changes.notify(job_key(run.job.id))
            await self._save(run, now=True)

    def _judge_absence(self, run: _Run, node: Node) -> None:
        """Raises NodeUnreachable when the node has been away too long, by the clock and our own count."""
        run.away_since = min(run.away_since, self._clock.monotonic())
        counted = self._clock.monotonic() - run.away_since
        since = run.job.waiting_since or self._clock.now()
        long_ago = self._clock.now() - since >= self._patience
        if long_ago and counted >= min(LEAST_PATIENCE_SECONDS, self._patience.total_seconds()):
            hours = self._patience.total_seconds() / 3600
            raise NodeUnreachable(
                f"Node {node.hostname} has not answered for {hours:g} hours.",
                remedy=f"When it is back: 'limiquantix jobs retry {run.job.id}'.",
            )

    async def _tell(self, run: _Run) -> None:
        """Tell the node that the job is not wanted; an away node is told later."""
        _, _, node = await self._log.open(run.job.id)
        try:
            await self._gateway.cancel_download(node, run.job.id)
            run.cancel_told = True
        except NodeUnreachable:
            log.info("cancel_waits_for_node", job_id=run.job.id, node_id=node.id)

    async def _tell_at_last(self, run: _Run) -> None:
        """Tell a node that is back; one that cannot take it is not asked for ever."""
        try:
            await self._tell(run)
        except LibraryError as error:
            run.cancel_told = True
            log.warning("cancel_not_taken", job_id=run.job.id, code=error.code)

    def _over(self, run: _Run, job: Job) -> None:
        run.job = job
        self._runs.pop(job.id, None)
        if job.state.ended:
            self._ended[job.id] = job
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._changes.notify(job_key(job.id))
        self._changes.notify(ANY_END)
