"""Jobs on the wire, as ImportStatus."""

from __future__ import annotations

from image_library.domain.job import Job, JobState
from image_library.wire.times import time_to_wire
from limiquantix.storage.v1.image_pb import ImportStatus

# What an old client sees of each state; "stage" carries the state's own word.
STATUSES = {
    JobState.QUEUED: ImportStatus.Status.PENDING,
    JobState.FETCHING: ImportStatus.Status.DOWNLOADING,
    JobState.VERIFYING: ImportStatus.Status.DOWNLOADING,
    JobState.INSPECTING: ImportStatus.Status.DOWNLOADING,
    JobState.CONVERTING: ImportStatus.Status.CONVERTING,
    JobState.PUBLISHING: ImportStatus.Status.DOWNLOADING,
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
    )
    if job.failure:
        status.error_message = job.failure.message
        status.error_code = job.failure.code
        status.error_remedy = job.failure.remedy
    return status
