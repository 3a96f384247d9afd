"""Making an operator's own file on a node a version: a job like a download, whose source is that file."""

from __future__ import annotations

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.image_usage import live_jobs
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import writable
from image_library.domain.errors import ImageNotReady, InvalidRequest
from image_library.domain.image import Image, Placement
from image_library.domain.job import Job, JobKind
from image_library.domain.store import DownloadOrder

log = structlog.get_logger()


class Adoptions:
    def __init__(
        self, *, database: Database, images: ImageService, runs: DownloadRuns, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._images = images
        self._runs = runs
        self._clock = clock
        self._new_id = new_id

    async def start(self, name: str, *, key: str = "") -> Job:
        """The job that adopts the image's file where it lies; asking twice makes one job.

        The job that a call with the same key has begun is the answer also once it has ended.

        Raises:
            UnknownImage, AmbiguousImage: there is none, or several.
            InvalidRequest: it is stored by its digest already.
            ImageNotReady: its file is on no node.
            StoreDegraded: its node takes nothing new.
        """
        async with self._database.write() as records:
            made = await records.calls.made(key)
            known = await records.jobs.get(made["job"]) if made else None
            if known is None:
                image = await self._images.get_in(records, name)
                live = await live_jobs(records, image.id)
                known = live[0] if live else await self._new(records, image)
                await records.calls.note(key, job=known.id)
            job = known
        if not job.state.ended:
            self._runs.start(job)
        return self._runs.latest(job)

    async def _new(self, records: Records, image: Image) -> Job:
        if image.digest:
            raise InvalidRequest(
                f"'{image.title}' is no operator's file.",
                remedy="Nothing is to be done: it is stored by its digest already.",
                field="image",
            )
        if not image.ready_placements:
            raise ImageNotReady(f"The file of '{image.title}' is on no node.", field="image")
        place = image.ready_placements[0]
        node = await records.nodes.get(place.node_id)
        if node is not None:
            writable(node)
        job = self._job(image, place)
        await records.jobs.add(job, _order(job, image, place))
        log.info("adoption_planned", job_id=job.id, image_id=image.id, node_id=job.node_id)
        return job

    def _job(self, image: Image, place: Placement) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.ADOPT,
            image_id=image.id,
            image_name=image.name,
            node_id=place.node_id,
            pool_id=place.pool_id,
            architecture=image.os.architecture,
            created_at=now,
            updated_at=now,
        )


def _order(job: Job, image: Image, place: Placement) -> DownloadOrder:
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url="",
        filename=place.path.rsplit("/", 1)[-1],
        format=image.format,
        checksum_algorithm="sha256",
        unverified=True,
        adopt_path=place.path,
    )
