"""Jobs on the wire: as they are, and in words."""

from __future__ import annotations

from collections.abc import Iterable

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.explanation import Explanation
from image_library.domain.job import Job, JobKind, JobState
from image_library.wire.boot_proof import stages_to_wire
from image_library.wire.times import time_to_wire
from limiquantix.storage.v1.image_pb import ImportStatus, JobExplanation

_KINDS = {kind.value: kind for kind in JobKind}

# What an old client sees of each state; "stage" carries the state's own word.
STATUSES = {
    JobState.QUEUED: ImportStatus.Status.PENDING,
    JobState.FETCHING: ImportStatus.Status.DOWNLOADING,
    JobState.VERIFYING: ImportStatus.Status.DOWNLOADING,
    JobState.INSPECTING: ImportStatus.Status.DOWNLOADING,
    JobState.CONVERTING: ImportStatus.Status.CONVERTING,
    JobState.PUBLISHING: ImportStatus.Status.DOWNLOADING,
    JobState.PROVING: ImportStatus.Status.DOWNLOADING,
    JobState.READY: ImportStatus.Status.COMPLETED,
    JobState.FAILED: ImportStatus.Status.FAILED,
    JobState.CANCELLED: ImportStatus.Status.FAILED,
}


def job_to_wire(job: Job) -> ImportStatus:
    status = ImportStatus(
        job_id=job.id,
        image_id=job.image_id,
        status=STATUSES[job.state],
        progress_percent=100 if job.state is JobState.READY else job.progress.percent,
        bytes_downloaded=job.progress.done,
        bytes_total=job.progress.total,
        download_speed=job.progress.speed,
        eta_seconds=min(job.progress.eta_seconds, 2**32 - 1),
        stage=job.state.value,
        path=job.path,
        catalog_id=job.catalog_id,
        node_id=job.node_id,
        name=job.image_name,
        created_at=time_to_wire(job.created_at),
        updated_at=time_to_wire(job.updated_at),
        waiting_for=job.waiting_for,
        waiting_since=time_to_wire(job.waiting_since),
        kind=job.kind.value,
        retry_of=job.retry_of,
        sequence=job.sequence,
        boot_stages=stages_to_wire(job.stages),
    )
    if job.failure:
        status.error_message = job.failure.message
        status.error_code = job.failure.code
        status.error_remedy = job.failure.remedy
    return status


def kinds_from_wire(words: Iterable[str]) -> frozenset[JobKind]:
    """The kinds with these words.

    Raises:
        InvalidRequest: a word is none of the contract's.
    """
    said = [word.lower() for word in words]
    unknown = next((word for word in said if word not in _KINDS), None)
    if unknown is not None:
        raise InvalidRequest(
            f"There are no jobs of kind '{printable(unknown)}'.",
            remedy=f"Use {', '.join(_KINDS)}.",
            field="kinds",
        )
    return frozenset(_KINDS[word] for word in said)


def explanation_to_wire(said: Explanation) -> JobExplanation:
    return JobExplanation(
        job_id=said.job_id,
        summary=said.summary,
        steps=list(said.steps),
        waiting_for=said.waiting_for,
        waiting_since=time_to_wire(said.waiting_since),
        attempt=said.tries.attempt,
        attempts=said.tries.attempts,
        next_try_at=time_to_wire(said.tries.next_at),
        next_source=said.next_source,
    )
