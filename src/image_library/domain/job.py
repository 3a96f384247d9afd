"""A job: long work as a frozen value that moves through named states and always ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.boot_proof import StageTime
from image_library.domain.errors import Internal
from image_library.domain.image import Failure
from image_library.domain.progress import Progress, Tries


class JobState(Enum):
    """Each state's value is also its word on the wire."""

    QUEUED = "queued"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    INSPECTING = "inspecting"
    CONVERTING = "converting"
    PUBLISHING = "publishing"
    # A throw-away VM boots; ``Job.stages`` says how far it is.
    PROVING = "proving"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in _ENDED


class JobKind(Enum):
    """What a job is for; each value is also its word on the wire."""

    DOWNLOAD = "download"
    IMPORT = "import"
    UPLOAD = "upload"
    PLACE = "place"
    ADOPT = "adopt"
    CONVERT = "convert"
    CAPTURE = "capture"
    PROVE = "prove"

    @property
    def repeatable(self) -> bool:
        """Whether its order alone tells all that is needed to do it again."""
        return self in _REPEATABLE

    @property
    def brings(self) -> bool:
        """Whether it makes the image present on its node."""
        return self is not JobKind.PROVE


_REPEATABLE = frozenset(JobKind) - {JobKind.UPLOAD}
_ENDED = frozenset({JobState.READY, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class Job:
    """The control plane's record of long work that brings one version to one node."""

    id: str
    kind: JobKind = JobKind.DOWNLOAD
    image_id: str
    image_name: str
    catalog_id: str = ""
    node_id: str
    # The node's own store, as a storage pool.
    pool_id: str = ""
    architecture: str = ""
    state: JobState = JobState.QUEUED
    progress: Progress = Progress()
    # What its node should have space for, as far as that was known when it was planned.
    space_bytes: int = 0
    # What it waits for when it does not move, in words.
    waiting_for: str = ""
    # Since when it waits for exactly that; kept by ``evolve``.
    waiting_since: datetime | None = None
    tries: Tries = Tries()
    # The placement on many nodes that it is part of, and how many of those jobs run at a time.
    group: str = ""
    at_a_time: int = 0
    # The job that this one repeats.
    retry_of: str = ""
    path: str = ""
    # Of a proof: what its VM has reached so far.
    stages: tuple[StageTime, ...] = ()
    failure: Failure | None = None
    # The library's number of its last change; given by the database.
    sequence: int = field(default=0, compare=False)
    created_at: datetime
    updated_at: datetime

    @property
    def bytes_to_come(self) -> int:
        """What its node must still have space for; an operator's own file is there already.

        A throw-away VM writes next to nothing.
        """
        if self.state.ended or self.kind in (JobKind.ADOPT, JobKind.PROVE):
            return 0
        return max(0, (self.progress.total or self.space_bytes) - self.progress.done)

    def evolve(self, **changes: Any) -> Job:
        """The job with these changes; a job that has ended never changes again."""
        if self.state.ended:
            raise Internal(f"Job {self.id} has already ended as {self.state.value}.")
        after = replace(self, **changes)
        if after.waiting_for != self.waiting_for:
            after = replace(after, waiting_since=after.updated_at if after.waiting_for else None)
        return after
