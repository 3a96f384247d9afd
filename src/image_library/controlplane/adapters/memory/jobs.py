"""Jobs in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from image_library.controlplane.adapters.memory.tables import Tables, newest_first, page_of
from image_library.controlplane.ports.jobs import JobFilter
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
        self._tables.jobs[job.id] = replace(job, sequence=self._tables.stamp(shown=False))

    async def set_order(self, job_id: str, order: DownloadOrder) -> None:
        if job_id in self._tables.orders:
            self._tables.orders[job_id] = order

    async def live(self) -> tuple[Job, ...]:
        return newest_first(job for job in self._tables.jobs.values() if not job.state.ended)[::-1]

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        return newest_first(job for job in self._tables.jobs.values() if job.image_id == image_id)

    async def retries_of(self, job_id: str) -> tuple[Job, ...]:
        return newest_first(job for job in self._tables.jobs.values() if job.retry_of == job_id)

    async def prune(self, before: datetime, *, keep: int, most: int) -> int:
        ended = [job for job in self._tables.jobs.values() if job.state.ended]
        oldest = sorted(ended, key=lambda job: (job.updated_at, job.id))
        surplus = len(oldest) - keep
        late = [job for place, job in enumerate(oldest) if place < surplus or job.updated_at < before]
        for job in late[:most]:
            del self._tables.jobs[job.id], self._tables.orders[job.id]
            self._tables.removed["job", job.id] = self._tables.stamp()
        return len(late[:most])

    async def list(self, matching: JobFilter, page: PageRequest) -> Page[Job]:
        return page_of((job for job in self._tables.jobs.values() if _fits(job, matching)), page)


def _fits(job: Job, matching: JobFilter) -> bool:
    return (
        not (matching.active_only and job.state.ended)
        and matching.image_id in ("", job.image_id)
        and matching.node_id in ("", job.node_id)
        and (not matching.kinds or job.kind in matching.kinds)
    )
