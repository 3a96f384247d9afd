"""Placing an image on many nodes: what becomes of each, and the turns that are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from image_library.domain.errors import LibraryError
from image_library.domain.image import Failure
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node

# How many nodes fetch at the same time, where nobody says.
AT_A_TIME = 4
MOST_AT_A_TIME = 1000
# So many nodes try in vain to fetch the first copy before the others give up.
MOST_FIRST_TRIES = 3
# Failures that no other node would be spared: the bytes themselves are wrong.
_OF_THE_BYTES = ("verify.", "image.")


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


# What a check of a copy found: all is right; its bytes are, but not the file's times; they are not; nothing.
WHOLE, CHANGED, DAMAGED, UNREAD = "whole", "changed", "damaged", "unread"


@dataclass(frozen=True, kw_only=True)
class Check:
    """How far a node has read a copy again, in bytes, and at its end what was found."""

    node_id: str
    done: int = 0
    total: int = 0
    result: str = ""
    error: LibraryError | None = None


def turn(at_a_time: int) -> str:
    """What a job of a placement waits for at first."""
    return f"its turn ({at_a_time} at a time)"


def first_copy_on(hostname: str) -> str:
    """What the others wait for while a node fetches from the publisher."""
    return f"the first copy, which {hostname} fetches"


def given_up(failed: Sequence[Job]) -> Failure | None:
    """Why no further node should try to fetch a first copy, after these failed; None where one may."""
    causes = [job.failure for job in failed if job.failure is not None]
    for cause in causes:
        if cause.code.startswith(_OF_THE_BYTES):
            return cause
    return causes[-1] if len(causes) >= MOST_FIRST_TRIES else None


def awaits_turn(job: Job) -> bool:
    """Whether it is part of a placement that decides when it begins."""
    return job.kind is JobKind.PLACE and bool(job.group) and job.state is JobState.QUEUED
