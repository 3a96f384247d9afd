"""The record of long work. A job is never deleted with its image: it is what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from image_library.domain.job import Job, JobKind
from image_library.domain.paging import Page, PageRequest
from image_library.domain.store import DownloadOrder


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs to list; empty values filter nothing, and all that is given must match."""

    active_only: bool = False
    image_id: str = ""
    node_id: str = ""
    # One of them must match.
    kinds: frozenset[JobKind] = frozenset()


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

    async def set_order(self, job_id: str, order: DownloadOrder) -> None:
        """Replaces what is kept of its order."""
        ...

    async def live(self) -> tuple[Job, ...]:
        """All that have not ended, oldest first."""
        ...

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        """Every job for that image, newest first."""
        ...

    async def retries_of(self, job_id: str) -> tuple[Job, ...]:
        """The jobs that repeat it, newest first."""
        ...

    async def prune(self, before: datetime, *, keep: int, most: int) -> int:
        """Drop ended jobs that last changed before that moment, and the oldest of more than ``keep``.

        At most ``most`` at once; how many they were.
        """
        ...

    async def list(self, matching: JobFilter, page: PageRequest) -> Page[Job]:
        """Newest first."""
        ...
