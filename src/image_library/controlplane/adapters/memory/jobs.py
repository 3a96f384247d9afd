"""Jobs in memory."""

from __future__ import annotations

from dataclasses import replace

from image_library.controlplane.adapters.memory.tables import Tables, newest_first, page_of
from image_library.domain.job import Job
from image_library.domain.paging import Page, PageRequest
from image_library.domain.store import DownloadOrder


class MemoryJobs:
    """Fulfils ``ports.jobs.Jobs``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, job_id: str) -> Job | None:
        return self._tables.jobs.get(job_id)

    async def order(self, job_id: str) -> DownloadOrder | None:
        return self._tables.orders.get(job_id)

    async def add(self, job: Job, order: DownloadOrder) -> None:
        await self.save(job)
        self._tables.orders[job.id] = order

    async def save(self, job: Job) -> None:
        self._tables.jobs[job.id] = replace(job, sequence=self._tables.stamp())

    async def live(self) -> tuple[Job, ...]:
        return newest_first(job for job in self._tables.jobs.values() if not job.state.ended)[::-1]

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        return newest_first(job for job in self._tables.jobs.values() if job.image_id == image_id)

    async def list(self, page: PageRequest, *, active_only: bool) -> Page[Job]:
        rows = (job for job in self._tables.jobs.values() if not (active_only and job.state.ended))
        return page_of(rows, page)
