"""Downloads as people see them: wished for, watched, listed and cancelled."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import structlog

from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.download_plan import DownloadWish, Planner
from image_library.controlplane.services.download_runs import DownloadRuns, job_key
from image_library.controlplane.services.job_retry import RetryPlanner
from image_library.controlplane.services.upload_plan import receives
from image_library.domain.changes import Changes
from image_library.domain.errors import UnknownJob, printable
from image_library.domain.explanation import Explanation, explain
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.paging import Page, PageRequest
from image_library.domain.placing import awaits_turn

log = structlog.get_logger()


class Downloads:
    def __init__(
        self,
        *,
        database: Database,
        catalog: CatalogService,
        planner: Planner,
        retries: RetryPlanner,
        runs: DownloadRuns,
        changes: Changes,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._planner = planner
        self._retries = retries
        self._runs = runs
        self._changes = changes

    async def start(self, wish: DownloadWish) -> tuple[Job, Image]:
        """The job that brings the wished image to a node, and the image; asking twice makes one job.

        Raises:
            UnknownImage, UnknownNode, NoNodeReady, StorageFull, InvalidRequest, InvalidName, NameTaken.
        """
        entry = self._catalog.entry(wish.catalog_id)
        self._catalog.check_name(wish.name, catalog_id=entry.id)
        async with self._database.write() as records:
            plan = await self._planner.plan(records, entry, wish)
        if plan.fresh:
            log.info("download_planned", job_id=plan.job.id, catalog_id=entry.id, node_id=plan.job.node_id)
            self._runs.start(plan.job)
        return self._runs.latest(plan.job), plan.image

    async def resume(self) -> None:
        """Take up every job that had not ended when the control plane did.

        An upload that still waits for bytes is its uploader's to take up, a job of a placement that
        waits for its turn the placement's.
        """
        async with self._database.read() as records:
            live = [j for j in await records.jobs.live() if not receives(j) and not awaits_turn(j)]
        for job in live:
            self._runs.start(job)
        if live:
            log.info("downloads_resumed", jobs=[job.id for job in live])

    async def get(self, job_id: str) -> Job:
        """The job as it is known this moment.

        Raises:
            UnknownJob: there is none with this id.
        """
        async with self._database.read() as records:
            job = await records.jobs.get(job_id)
        if job is None:
            raise UnknownJob(f"There is no job '{printable(job_id)}'.", field="job_id")
        return self._runs.latest(job)

    async def watch(self, job_id: str) -> AsyncGenerator[Job]:
        """The job now, then whenever it has moved; the last is its end. A slow reader skips states."""
        with self._changes.follow(job_key(job_id)) as moved:
            job = await self.get(job_id)
            while True:
                yield job
                if job.state.ended:
                    return
                await moved.wait()
                # A thousand who watch must not be a thousand who read the database.
                job = self._runs.heard_of(job_id) or await self.get(job_id)

    async def ended(self, job_id: str) -> Job:
        """The job at its end, when that comes.

        Raises:
            UnknownJob: there is none with this id.
        """
        return [job async for job in self.watch(job_id) if job.state.ended][-1]

    async def cancel(self, job_id: str) -> Job:
        """Ask for the job's end and answer with how it stands then; a finished job stays as it is."""
        job = await self.get(job_id)
        if not job.state.ended:
            await self._runs.cancel(job)
        return await self.get(job_id)

    async def retry(self, job_id: str) -> Job:
        """The job that does what a failed or cancelled one was to do; asking twice makes one.

        Raises:
            As ``RetryPlanner.plan``.
        """
        async with self._database.write() as records:
            plan = await self._retries.plan(records, job_id)
        if plan.fresh:
            log.info("job_repeated", job_id=plan.job.id, retry_of=job_id)
            self._runs.start(plan.job)
        return self._runs.latest(plan.job)

    async def explain(self, job_id: str) -> Explanation:
        """The job in words.

        Raises:
            UnknownJob: there is none with this id.
        """
        job = await self.get(job_id)
        async with self._database.read() as records:
            order = await records.jobs.order(job_id)
            node = await records.nodes.get(job.node_id)
            retries = await records.jobs.retries_of(job_id)
        if order is None:
            raise UnknownJob(f"There is no job '{printable(job_id)}'.", field="job_id")
        retried_by = retries[0].id if retries else ""
        return explain(job, order, node=node.hostname if node else job.node_id, retried_by=retried_by)

    async def list(self, matching: JobFilter, page: PageRequest) -> Page[Job]:
        """Newest first."""
        async with self._database.read() as records:
            found = await records.jobs.list(matching, page)
        return found.map(self._runs.latest)
