"""Fetching the very bytes of an import once more, from where they came, when no node has its image."""

from __future__ import annotations

from dataclasses import replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.copies import Place
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import underway
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.domain.image import Image
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.store import DownloadOrder

log = structlog.get_logger()


class FetchAgain:
    def __init__(self, *, database: Database, runs: DownloadRuns, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._runs = runs
        self._clock = clock
        self._new_id = new_id

    async def begin(self, place: Place) -> Job | None:
        """The job that brings the image to the place again; none where it was not imported from a URL.

        What was made of the imported file is made again, of exactly the bytes that came the first time. With
        the same qemu-img it is the same image; else it is the next version of its name, once.
        """
        async with self._database.write() as records:
            image = await records.images.get(place.image_id)
            first = await _import_of(records, image) if image else None
            if image is None or first is None:
                return None
            job = self._job(place, image, first[0])
            await records.images.save(underway(image, job))
            await records.jobs.add(job, _pinned(first[1], image, job))
        log.info("import_repeated", job_id=job.id, image_id=image.id, node_id=place.node_id)
        self._runs.start(job)
        return job

    def _job(self, place: Place, image: Image, first: Job) -> Job:
        copy, now = image.placement_on(place.node_id), self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.IMPORT,
            image_id=image.id,
            image_name=image.name,
            catalog_id=image.catalog_id,
            node_id=place.node_id,
            pool_id=copy.pool_id if copy else first.pool_id,
            architecture=first.architecture,
            space_bytes=image.size_bytes,
            created_at=now,
            updated_at=now,
        )


async def _import_of(records: Records, image: Image) -> tuple[Job, DownloadOrder] | None:
    """The job that brought the image from a URL, with its order."""
    if image.evidence is None or not image.evidence.actual or await _comes_out_otherwise(records, image):
        return None
    for job in await records.jobs.of_image(image.id):
        order = await records.jobs.order(job.id)
        if job.kind is JobKind.IMPORT and job.state is JobState.READY and order is not None and order.url:
            return job, order
    return None


async def _comes_out_otherwise(records: Records, image: Image) -> bool:
    """Whether the same file has been made into another version, as another qemu-img does."""
    made = image.converted_from
    versions = await records.images.versions(image.name, image.project_id) if made else ()
    others = (v.converted_from for v in versions if v.version > image.version)
    return made is not None and any(o and (o.digest, o.shape) == (made.digest, made.shape) for o in others)


def _pinned(order: DownloadOrder, image: Image, job: Job) -> DownloadOrder:
    """The order for exactly the bytes that came the first time."""
    evidence = image.evidence
    assert evidence is not None
    return replace(
        order,
        job_id=job.id,
        checksum_algorithm=evidence.algorithm,
        digest=evidence.actual,
        checksum_url="",
        digest_source="",
        signature=None,
    )
