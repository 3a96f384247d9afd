"""Conducting placements: one task for each, that lets its jobs begin when it is their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import abandoned
from image_library.controlplane.services.download_runs import (
    ANY_END,
    LEAST_PATIENCE_SECONDS,
    DownloadRuns,
    job_key,
)
from image_library.controlplane.services.image_usage import coming
from image_library.controlplane.services.placement_turns import Scene, scene_of
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changes
from image_library.domain.errors import ImageNotReady, LibraryError, NodeUnreachable
from image_library.domain.image import Failure, Image, Placement
from image_library.domain.job import Job, JobKind
from image_library.domain.placing import awaits_turn

log = structlog.get_logger()
# What is told by no job's end is seen so soon: a node that is back, a copy that a scan found. In seconds.
LOOK_AGAIN_SECONDS = 5.0
# So many times what a look took is rested after it.
_REST = 4


class Conductor:
    def __init__(
        self,
        *,
        database: Database,
        runs: DownloadRuns,
        changes: Changes,
        clock: Clock,
        patience: timedelta = timedelta(hours=24),
    ) -> None:
        """``patience``: a job that waits for longer than this for somebody who is away fails."""
        self._patience = patience
        # Nobody was seen to be away before.
        self._awake_since = clock.monotonic()
        self._database = database
        self._runs = runs
        self._changes = changes
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def conduct(self, group: str) -> None:
        """Go on with the placement until nobody waits for a turn any more."""
        task = asyncio.create_task(self._conducted(group), name=f"placement-{group}")
        self._tasks[group] = task
        task.add_done_callback(lambda _: self._tasks.pop(group, None))

    async def resume(self) -> None:
        """Go on with every placement that was under way when the control plane ended."""
        async with self._database.read() as records:
            groups = {job.group for job in await records.jobs.live() if awaits_turn(job)}
        for group in groups:
            self.conduct(group)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _conducted(self, group: str) -> None:
        with self._changes.follow(ANY_END) as ended:
            while True:
                began = self._clock.monotonic()
                if not await self._goes_on(group):
                    return
                # With thousands of jobs a look takes long: other work comes first.
                if spent := self._clock.monotonic() - began:
                    await self._clock.sleep(min(spent * _REST, LOOK_AGAIN_SECONDS))
                await bell_or_time(ended, self._clock, LOOK_AGAIN_SECONDS)

    async def _goes_on(self, group: str) -> bool:
        try:
            return await self._step(group)
        except LibraryError as error:
            log.warning("placement_waits", group=group, code=error.code)
            return True

    async def _step(self, group: str) -> bool:
        """Do what is to be done now; whether any job is still waiting for its turn."""
        followed = frozenset(job.id for job in self._runs.live())
        async with self._database.read() as records:
            scene = await scene_of(records, group, followed)
        if scene is None:
            return False
        turns = scene.decided()
        if turns.give_up is not None:
            await self._give_up(scene.waiting, turns.give_up)
            return False
        if turns.move_to is not None:
            await self._move(scene.waiting, scene.image, turns.move_to)
            return await self._step(group)
        if turns.first is not None and await self._fetches(turns.first, beside=scene.firsts):
            return await self._step(group)
        await self._tell(scene.waiting, turns.words)
        await self._end_the_hopeless(scene)
        for job in turns.begin:
            self._runs.start(job)
        return True

    async def _fetches(self, job: Job, *, beside: Sequence[Job]) -> bool:
        """Let the job fetch from the publisher; not where one that was not known of does so by now."""
        known = {other.id for other in beside}
        async with self._database.write() as records:
            others = await coming(records, job.image_id)
            found = await self._still_waiting(records, [job])
            if not found or any(o.kind is not JobKind.PLACE and o.id not in known for o in others):
                return False
            first = found[0].evolve(kind=JobKind.DOWNLOAD, waiting_for="", updated_at=self._clock.now())
            await records.jobs.save(first)
        log.info("first_copy_begun", job_id=first.id, node_id=first.node_id)
        self._runs.start(first)
        return True

    async def _tell(self, waiting: Sequence[Job], words: Mapping[str, str]) -> None:
        changed = [job for job in waiting if words.get(job.id, job.waiting_for) != job.waiting_for]
        if changed:
            now = self._clock.now()
            await self._save(changed, lambda job: job.evolve(waiting_for=words[job.id], updated_at=now))

    async def _move(self, waiting: Sequence[Job], before: Image, after: Image) -> None:
        """Let the jobs bring the version that came instead of the one they were made for."""
        async with self._database.write() as records:
            jobs = await self._still_waiting(records, waiting)
            old = await records.images.get(before.id)
            new = await records.images.get(after.id)
            if new is None:
                return
            for job in jobs:
                old = old and abandoned(old, job)
                if new.placement_on(job.node_id) is None:
                    new = new.with_placement(Placement(node_id=job.node_id, pool_id=job.pool_id))
                await records.jobs.save(job.evolve(image_id=new.id, image_name=new.name))
            await records.images.save(new)
            if old is not None:
                await records.images.save(old)

    async def _save(self, jobs: Sequence[Job], change: Callable[[Job], Job]) -> None:
        async with self._database.write() as records:
            for job in await self._still_waiting(records, jobs):
                await records.jobs.save(change(job))
        for job in jobs:
            self._changes.notify(job_key(job.id))

    async def _still_waiting(self, records: Records, jobs: Sequence[Job]) -> list[Job]:
        """Those of them, as they are now, that nobody has begun or cancelled meanwhile."""
        followed = {job.id for job in self._runs.live()}
        found = [await records.jobs.get(job.id) for job in jobs if job.id not in followed]
        return [job for job in found if job and awaits_turn(job)]

    async def _end_the_hopeless(self, scene: Scene) -> None:
        """Give up what waits for the same absent ones for too long, by the clock and our own count."""
        counted = self._clock.monotonic() - self._awake_since
        if counted < min(LEAST_PATIENCE_SECONDS, self._patience.total_seconds()):
            return
        for job in scene.waiting:
            since = job.waiting_since or job.created_at
            if scene.waits_for_absent(job) and self._clock.now() - since >= self._patience:
                hours = self._patience.total_seconds() / 3600
                said = f"For {hours:g} hours it waited for {job.waiting_for}."
                again = f"When it is back: 'limiquantix jobs retry {job.id}'."
                await self._runs.cancel(job, NodeUnreachable(said, remedy=again))

    async def _give_up(self, jobs: Sequence[Job], cause: Failure) -> None:
        for job in jobs:
            said = f"The first copy of '{job.image_name}' did not come: {cause.message}"
            await self._runs.cancel(job, ImageNotReady(said, remedy=cause.remedy))
