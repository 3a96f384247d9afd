"""Making a new image of one that is there, in another format: a job on a node that holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import underway
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.image_copies import holders, readable_name
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import find_node, writable
from image_library.controlplane.services.taken_names import taken
from image_library.domain.conversion import SAME, Shape, wished_shape
from image_library.domain.errors import ConvertNeedless, ImageNotReady, InvalidRequest
from image_library.domain.identity import valid_name
from image_library.domain.image import Image, ImageFormat
from image_library.domain.job import Job, JobKind
from image_library.domain.node import Node
from image_library.domain.store import DownloadOrder

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ConversionWish:
    """What somebody asks for; an empty name or node is chosen by us."""

    image: str
    format: str
    compression: str = ""
    name: str = ""
    # Id or host name.
    node: str = ""


class Conversions:
    def __init__(
        self, *, database: Database, images: ImageService, runs: DownloadRuns, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._images = images
        self._runs = runs
        self._clock = clock
        self._new_id = new_id

    async def start(self, wish: ConversionWish, *, key: str = "") -> Job:
        """The job that makes the new image; asking twice makes one job.

        The job that a call with the same key has begun is the answer also once it has ended.

        Raises:
            InvalidRequest, ConvertNeedless: it cannot become that, or is that.
            UnknownImage, AmbiguousImage, UnknownNode: there is none, or several.
            ImageNotReady: no node that is ready holds it.
            StoreDegraded: those that hold it take nothing new.
            InvalidName, InvalidCharacter, NameTaken
        """
        shape = _shape(wish)
        async with self._database.write() as records:
            made = await records.calls.made(key)
            job = await records.jobs.get(made["job"]) if made else None
            if job is None:
                source = await self._images.get_in(records, wish.image)
                job = await self._begun(records, source, wish, shape)
                await records.calls.note(key, job=job.id)
        if not job.state.ended:
            self._runs.start(job)
        return self._runs.latest(job)

    async def _begun(self, records: Records, source: Image, wish: ConversionWish, shape: Shape) -> Job:
        if not source.digest:
            raise ImageNotReady(
                f"'{source.title}' is not stored by a digest.",
                remedy=f"Adopt it first: 'limiquantix images adopt {source.name}'.",
                field="image",
            )
        if source.format is ImageFormat.ISO:
            raise ConvertNeedless(
                f"'{source.title}' is an ISO: a disc, which becomes no disk.", field="format"
            )
        if shape.fits(source.format):
            raise ConvertNeedless(f"'{source.title}' is {source.format.value} already.", field="format")
        name = valid_name(wish.name or f"{source.name}-{str(shape).replace('+', '-')}")
        for other in await records.images.named(name, source.project_id):
            live = await _same(records, other, source, shape)
            if live is None:
                raise await taken(records, other)
            return live
        node = await _node(records, source, wish.node)
        image = self._draft(source, name, shape)
        job = self._job(image, source, node)
        image = underway(image, job)
        await records.images.save(image)
        await records.jobs.add(job, _order(job, image, source, shape))
        log.info("conversion_planned", job_id=job.id, source=source.digest, shape=str(shape), node_id=node.id)
        return job

    def _draft(self, source: Image, name: str, shape: Shape) -> Image:
        """What people said of the source holds for the new image; what was proved of it does not."""
        now = self._clock.now()
        return Image(
            id=self._new_id(),
            name=name,
            project_id=source.project_id,
            description=source.description,
            labels=source.labels,
            os=source.os,
            requirements=source.requirements,
            format=shape.format,
            visibility=source.visibility,
            shared_projects=source.shared_projects,
            origin=f"converted from {source.title}",
            created_at=now,
            updated_at=now,
        )

    def _job(self, image: Image, source: Image, node: Node) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.CONVERT,
            image_id=image.id,
            image_name=image.name,
            node_id=node.id,
            pool_id=node.store_id,
            architecture=image.os.architecture,
            space_bytes=source.size_bytes,
            created_at=now,
            updated_at=now,
        )


def _shape(wish: ConversionWish) -> Shape:
    if not wish.format or wish.format.lower() == SAME:
        raise InvalidRequest("No format is named.", remedy="Name one, such as raw.", field="format")
    shape = wished_shape(wish.format, wish.compression, field="format")
    assert shape is not None
    return shape


async def _same(records: Records, other: Image, source: Image, shape: Shape) -> Job | None:
    """The live job that makes the very image that is wanted."""
    for job in await records.jobs.of_image(other.id):
        order = await records.jobs.order(job.id)
        if not job.state.ended and order and (order.convert_digest, order.wanted) == (source.digest, shape):
            return job
    return None


async def _node(records: Records, source: Image, named: str) -> Node:
    there = await holders(records, source)
    if named:
        node = await find_node(records, named)
        there = tuple(holder for holder in there if holder.id == node.id)
    if not there:
        raise ImageNotReady(f"'{source.title}' is on no node that could convert it.", field="image")
    return next((holder for holder in there if holder.takes_images), None) or writable(there[0])


def _order(job: Job, image: Image, source: Image, shape: Shape) -> DownloadOrder:
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url="",
        filename=readable_name(replace(image, format=shape.format)),
        format=source.format,
        checksum_algorithm="sha256",
        unverified=True,
        convert_digest=source.digest,
        wanted=shape,
    )
