"""Placing an image on many nodes: what becomes of each, and the turns that are taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.errors import LibraryError
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node

# How many nodes fetch at the same time, where nobody says.
AT_A_TIME = 4
MOST_AT_A_TIME = 1000


class Outcome(Enum):
    """Each value is also its word on the wire."""

    PRESENT = "present"
    STARTED = "started"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class PlacementResult:
    node: Node
    outcome: Outcome
    job_id: str = ""
    error: LibraryError | None = None


def turn(at_a_time: int) -> str:
    """What a job of a placement waits for at first."""
    return f"its turn ({at_a_time} at a time)"


def awaits_turn(job: Job) -> bool:
    """Whether it is part of a placement that decides when it begins."""
    return job.kind is JobKind.PLACE and bool(job.group) and job.state is JobState.QUEUED
