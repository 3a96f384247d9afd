"""What a wish for an image of the catalogue comes to: a job that exists already, or a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.download_outcome import underway
from image_library.controlplane.services.image_copies import copy_order, holders, readable_name
from image_library.controlplane.services.node_choice import (
    LEAST_ROOM,
    architecture_of,
    choose_node,
    find_node,
    no_variant,
    writable,
)
from image_library.controlplane.services.pools import node_of_pool
from image_library.controlplane.services.taken_names import demand_free
from image_library.domain.catalog import CatalogEntry, Variant
from image_library.domain.conversion import Shape
from image_library.domain.errors import NameTaken
from image_library.domain.identity import valid_name
from image_library.domain.image import Image, ImageFormat, ImagePhase, PlacementState, Visibility
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.origin import shown_url
from image_library.domain.progress import Progress
from image_library.domain.publisher import PublisherAnswer, as_offered
from image_library.domain.store import DownloadOrder

# What every image of the catalog becomes, however its publisher has it.
BECOMES = Shape(format=ImageFormat.QCOW2)
_PROJECT = "default"


@dataclass(frozen=True, kw_only=True)
class DownloadWish:
    """What somebody asks for; empty fields are chosen by us. ``node`` is an id or a host name."""

    catalog_id: str
    node: str = ""
    # The node whose store it is, where none is named.
    pool: str = ""
    name: str = ""
    architecture: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer; ``fresh`` says that the job was made for it and must be started."""

    job: Job
    image: Image
    fresh: bool


class Planner:
    """Works within the caller's transaction, so that two wishes for the same make one job."""

    def __init__(self, *, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def plan(self, records: Records, entry: CatalogEntry, wish: DownloadWish) -> Plan:
        """Find or add the job and its image.

        Raises:
            UnknownNode, UnknownPool, NoNodeReady, StorageFull, StoreDegraded: there is no node for it.
            InvalidRequest: the entry has no image for the architecture.
            InvalidName, NameTaken: the wished name cannot be given.
        """
        node = await _node(records, entry, wish)
        architecture = wish.architecture or architecture_of(node)
        variant = entry.variant_for(architecture)
        if variant is None:
            raise no_variant(entry, architecture)
        versions = await _versions(records, entry, architecture)
        return await self._existing(records, versions, node) or await self._new(
            records, (entry, variant), versions, node=node, wished_name=wish.name
        )

    async def _existing(self, records: Records, versions: list[Image], node: Node) -> Plan | None:
        """A live job for one of the versions on that node, or the proof that one is there."""
        by_id = {image.id: image for image in versions}
        for job in await records.jobs.live():
            if job.kind.brings and job.node_id == node.id and job.image_id in by_id:
                return Plan(job=job, image=by_id[job.image_id], fresh=False)
        for image in versions:
            placed = image.placement_on(node.id)
            if image.phase is ImagePhase.READY and placed and placed.state is PlacementState.READY:
                return Plan(job=await self._done(records, image, node), image=image, fresh=False)
        return None

    async def _done(self, records: Records, image: Image, node: Node) -> Job:
        """The last job that brought the image there; one is noted where a scan found the image."""
        for job in await records.jobs.of_image(image.id):
            if job.kind.brings and job.node_id == node.id and job.state is JobState.READY:
                return job
        placed = image.placement_on(node.id)
        job = replace(
            self._job(image, node),
            state=JobState.READY,
            progress=Progress(done=image.size_bytes, total=image.size_bytes),
            path=placed.path if placed else "",
        )
        await records.jobs.add(job, _order(job, image, None))
        return job

    async def _new(
        self,
        records: Records,
        source: tuple[CatalogEntry, Variant],
        versions: list[Image],
        *,
        node: Node,
        wished_name: str,
    ) -> Plan:
        entry, variant = source
        writable(node)
        image = next((i for i in versions if wished_name in ("", i.name)), None)
        if image is None:
            image = self._image(entry, variant, await _free_name(records, source, wished_name))
        if await holders(records, image, but=node.id):
            return await self.copy(records, image, node)
        heard = await records.refreshes.finding(entry.id, variant.architecture)
        return await self.begin(records, image, variant, node=node, answer=heard.answer if heard else None)

    async def copy(self, records: Records, image: Image, node: Node) -> Plan:
        """Add a job that brings this very version from another node, whatever its publisher offers by now."""
        job, order = self.copy_of(image, node)
        return await self._add(records, underway(image, job), job, order)

    def copy_of(self, image: Image, node: Node, **more: Any) -> tuple[Job, DownloadOrder]:
        """A job for a copy within the library, and its order; ``more`` are further facts of the job."""
        job = replace(self._job(image, node), kind=JobKind.PLACE, space_bytes=image.size_bytes, **more)
        return job, copy_order(job, image)

    async def offered(
        self, records: Records, image: Image, entry: CatalogEntry, *, node: Node, **more: Any
    ) -> tuple[Job, DownloadOrder]:
        """The same, with the order by which the publisher itself is asked should nobody come to have it.

        Raises:
            InvalidRequest: the entry has no image for the image's architecture.
        """
        variant = entry.variant_for(image.os.architecture)
        if variant is None:
            raise no_variant(entry, image.os.architecture)
        heard = await records.refreshes.finding(entry.id, variant.architecture)
        variant, digest_source = as_offered(variant, heard.answer if heard else None)
        job, _ = self.copy_of(image, node, **more)
        job = replace(job, space_bytes=image.size_bytes or max(variant.size_bytes, LEAST_ROOM))
        return job, replace(_order(job, image, variant), digest_source=digest_source)

    async def begin(
        self,
        records: Records,
        image: Image,
        variant: Variant,
        *,
        node: Node,
        answer: PublisherAnswer | None = None,
    ) -> Plan:
        """Add a job that brings the image to the node, as ``answer`` says that the publisher offers it."""
        variant, digest_source = as_offered(variant, answer)
        job = replace(self._job(image, node), space_bytes=max(variant.size_bytes, LEAST_ROOM))
        image = underway(image, job)
        if not image.digest:
            image = image.evolve(origin=shown_url(variant.url))
        order = replace(_order(job, image, variant), digest_source=digest_source)
        return await self._add(records, image, job, order)

    async def _add(self, records: Records, image: Image, job: Job, order: DownloadOrder) -> Plan:
        await records.images.save(image)
        await records.jobs.add(job, order)
        return Plan(job=job, image=image, fresh=True)

    def _image(self, entry: CatalogEntry, variant: Variant, name: str) -> Image:
        now = self._clock.now()
        return Image(
            id=self._new_id(),
            name=name,
            project_id=_PROJECT,
            description=entry.description,
            catalog_id=entry.id,
            os=replace(entry.os, architecture=variant.architecture),
            requirements=replace(
                entry.requirements, firmware=variant.firmware or entry.requirements.firmware
            ),
            format=BECOMES.format,
            visibility=Visibility.PUBLIC,
            created_at=now,
            updated_at=now,
        )

    def _job(self, image: Image, node: Node) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            image_id=image.id,
            image_name=image.name,
            catalog_id=image.catalog_id,
            node_id=node.id,
            pool_id=node.store_id,
            architecture=image.os.architecture,
            created_at=now,
            updated_at=now,
        )


async def _node(records: Records, entry: CatalogEntry, wish: DownloadWish) -> Node:
    if wish.node:
        return await find_node(records, wish.node)
    if wish.pool:
        return await node_of_pool(records, wish.pool)
    return await choose_node(records, entry, wish.architecture)


async def _versions(records: Records, entry: CatalogEntry, architecture: str) -> list[Image]:
    """What names point to and what is on its way; an old version is asked for by its own name."""
    images = await records.images.of_catalog(entry.id)
    fitting = [i for i in images if i.os.architecture == architecture and i.phase is not ImagePhase.DELETING]
    return [i for i in fitting if i.current]


def _order(job: Job, image: Image, variant: Variant | None) -> DownloadOrder:
    """What the node is asked for. Without a variant it is a note only, for an image that is there."""
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url=variant.url if variant else "",
        filename=readable_name(image),
        format=variant.format if variant else image.format,
        wanted=BECOMES if variant else None,
        checksum_algorithm=variant.checksum_algorithm if variant else "",
        checksum_url=variant.checksum_url if variant else "",
        digest=variant.digest if variant else "",
        signature=variant.signature if variant else None,
    )


async def _free_name(records: Records, source: tuple[CatalogEntry, Variant], wished: str) -> str:
    """The wished name, which must be free; else the catalog id, made longer as far as that is taken."""
    entry, variant = source
    if wished:
        await demand_free(records, valid_name(wished), _PROJECT)
        return wished
    longer = f"{entry.id}-{variant.architecture}"
    candidates = [entry.id, longer, *(f"{longer}-{number}" for number in range(2, 1000))]
    for candidate in candidates:
        if not await records.images.named(candidate, _PROJECT):
            return candidate
    raise NameTaken(f"Every name for '{entry.id}' is taken.", field="name")
