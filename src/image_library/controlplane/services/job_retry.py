"""What repeating a job comes to: the job that repeats it already, or a new one with the same order."""

from __future__ import annotations

from dataclasses import replace

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.download_outcome import underway
from image_library.controlplane.services.download_plan import Plan
from image_library.controlplane.services.node_choice import writable
from image_library.domain.errors import (
    ImageNotReady,
    JobNotFailed,
    JobNotRepeatable,
    UnknownImage,
    UnknownJob,
    printable,
)
from image_library.domain.image import Image, ImagePhase
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.store import DownloadOrder


class RetryPlanner:
    """Works within the caller's transaction, so that asking twice makes one retry."""

    def __init__(self, *, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def plan(self, records: Records, job_id: str) -> Plan:
        """The retry of a failed or cancelled job.

        Raises:
            UnknownJob, UnknownImage: the job, or its image, is not there any more.
            JobNotFailed: it is still going on, or has done what it was to do.
            JobNotRepeatable: what it worked on is gone.
            StoreDegraded: its node takes nothing new.
        """
        job, order = await records.jobs.get(job_id), await records.jobs.order(job_id)
        if job is None or order is None:
            raise UnknownJob(f"There is no job '{printable(job_id)}'.", field="job_id")
        image = await _image(records, job)
        _judge(job)
        known = await self._known(records, job)
        if known is not None:
            return Plan(job=known, image=image, fresh=False)
        node = await records.nodes.get(job.node_id)
        if node is not None:
            writable(node)
        now = self._clock.now()
        retry = Job(
            id=self._new_id(),
            kind=_kind(job, image, order),
            image_id=job.image_id,
            image_name=image.name,
            catalog_id=job.catalog_id,
            node_id=job.node_id,
            pool_id=job.pool_id,
            architecture=job.architecture,
            space_bytes=job.space_bytes,
            retry_of=job.id,
            created_at=now,
            updated_at=now,
        )
        image = underway(image, retry)
        await records.images.save(image)
        await records.jobs.add(retry, replace(order, job_id=retry.id))
        return Plan(job=retry, image=image, fresh=True)

    async def _known(self, records: Records, job: Job) -> Job | None:
        """Its retry, or another live job that does the same."""
        for retry in await records.jobs.retries_of(job.id):
            return retry
        for other in await records.jobs.of_image(job.image_id):
            if other.kind.brings and not other.state.ended and other.node_id == job.node_id:
                return other
        return None


async def _image(records: Records, job: Job) -> Image:
    image = await records.images.get(job.image_id)
    if image is None or image.phase is ImagePhase.DELETING:
        raise UnknownImage(
            f"The image of job {job.id} was deleted.", remedy="Import or download it anew.", field="job_id"
        )
    return image


def _kind(job: Job, image: Image, order: DownloadOrder) -> JobKind:
    """What a copy is repeated as where no first copy ever came: a download from the publisher.

    Raises:
        ImageNotReady: there is none that could be asked.
    """
    if job.kind is not JobKind.PLACE or image.digest:
        return job.kind
    if not order.url:
        raise ImageNotReady(f"No node has '{image.title}' to copy it from.", field="job_id")
    return JobKind.DOWNLOAD


def _judge(job: Job) -> None:
    if not job.state.ended:
        raise JobNotFailed(f"Job {job.id} is still going on: {job.state.value}.", field="job_id")
    if job.state is JobState.READY:
        raise JobNotFailed(
            f"Job {job.id} has done what it was to do.", remedy="There is nothing to repeat.", field="job_id"
        )
    if job.kind is JobKind.PROVE:
        raise JobNotRepeatable(
            f"Job {job.id} cannot be repeated: what its guest was told is not kept.",
            remedy=f"Prove the image anew: 'limiquantix images prove {printable(job.image_name)}'.",
            field="job_id",
        )
    if not job.kind.repeatable:
        raise JobNotRepeatable(
            f"Job {job.id} cannot be repeated: a job of kind {job.kind.value} keeps no bytes to begin with.",
            field="job_id",
        )
