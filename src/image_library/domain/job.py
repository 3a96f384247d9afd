"""A job: long work as a frozen value that moves through named states and always ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.errors import Internal
from image_library.domain.image import Failure
from image_library.domain.progress import Progress


class JobState(Enum):
    """Each state's value is also its word on the wire."""

    QUEUED = "queued"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    INSPECTING = "inspecting"
    CONVERTING = "converting"
    PUBLISHING = "publishing"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in _ENDED


_ENDED = frozenset({JobState.READY, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class Job:
    """The control plane's record of one download of one version to one node."""

    id: str
    image_id: str
    image_name: str
    catalog_id: str = ""
    node_id: str
    architecture: str = ""
    state: JobState = JobState.QUEUED
    progress: Progress = Progress()
    # What it waits for when it does not move, in words.
    waiting_for: str = ""
    path: str = ""
    failure: Failure | None = None
    created_at: datetime
    updated_at: datetime

    def evolve(self, **changes: Any) -> Job:
        """The job with these changes; a job that has ended never changes again."""
        if self.state.ended:
            raise Internal(f"Job {self.id} has already ended as {self.state.value}.")
        return replace(self, **changes)
