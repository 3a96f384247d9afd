"""The record of long work. A job is never deleted with its image: it is what happened."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.job import Job
from image_library.domain.paging import Page, PageRequest
from image_library.domain.store import DownloadOrder


class Jobs(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, job_id: str) -> Job | None: ...

    async def order(self, job_id: str) -> DownloadOrder | None:
        """What its node was, or will be, asked for."""
        ...

    async def add(self, job: Job, order: DownloadOrder) -> None: ...

    async def save(self, job: Job) -> None:
        """Replaces a job that was added."""
        ...

    async def live(self) -> tuple[Job, ...]:
        """All that have not ended, oldest first."""
        ...

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        """Every job for that image, newest first."""
        ...

    async def list(self, page: PageRequest, *, active_only: bool) -> Page[Job]:
        """Newest first."""
        ...
