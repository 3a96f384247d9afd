"""Recording what is to become an image: one that is imported from a URL, or one that waits for its bytes."""

from __future__ import annotations

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.download_outcome import underway
from image_library.controlplane.services.download_plan import Plan
from image_library.controlplane.services.import_wish import (
    Description,
    ImportSource,
    ImportWish,
    judged,
    name_for,
    told_os,
)
from image_library.controlplane.services.node_choice import LEAST_ROOM, wished_node
from image_library.controlplane.services.taken_names import demand_free
from image_library.domain.catalog import Catalog
from image_library.domain.conversion import Shape
from image_library.domain.identity import name_of_file
from image_library.domain.image import Image, ImageFormat
from image_library.domain.image_update import ImageUpdate, updated
from image_library.domain.job import Job, JobKind
from image_library.domain.node import Node
from image_library.domain.origin import shown_url
from image_library.domain.proof_policy import NO_RULE, ProofPolicy
from image_library.domain.store import DownloadOrder
from image_library.domain.texts import readable

# As the catalogue's sizes are not trusted below this, so is one that nobody knows.
_LEAST_ROOM = 256 * 1024**2
_LONGEST_PROJECT = 63
_SUFFIXES = {ImageFormat.RAW: "img"}


class ImportPlanner:
    """Works within the caller's transaction."""

    def __init__(
        self, *, catalog: Catalog, clock: Clock, new_id: NewId, proofs: ProofPolicy = NO_RULE
    ) -> None:
        self._proofs = proofs
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id

    async def plan(self, records: Records, wish: ImportWish) -> Plan:
        """The job and the image that a call with this key has made already, else new ones.

        Raises:
            UrlNotAllowed, InvalidDigest, InvalidRequest, InvalidName, InvalidCharacter, InvalidUser,
            NameTaken, BootUnproved, UnknownNode, NoNodeReady, StorageFull
        """
        made = await records.calls.made(wish.key)
        if made:
            job, image = await records.jobs.get(made["job"]), await records.images.get(made["image"])
            if job is not None and image is not None:
                return Plan(job=job, image=image, fresh=not job.state.ended)
        source = judged(wish)
        image = await self._named(records, self._draft(wish.image, source))
        node = await wished_node(
            records, named=wish.node, pool_id=wish.pool_id, needed=max(_LEAST_ROOM, source.size_bytes)
        )
        job = self._job(image, node)
        image = await _kept(records, underway(image, job))
        await records.jobs.add(job, _order(job, image, source))
        await records.calls.note(wish.key, job=job.id, image=image.id)
        return Plan(job=job, image=image, fresh=True)

    async def register(self, records: Records, said: Description, *, key: str = "") -> Image:
        """An image that waits for its bytes: the one that a call with this key has made, else a new one.

        Raises:
            InvalidName, InvalidCharacter, InvalidUser, InvalidRequest, NameTaken, BootUnproved
        """
        made = await records.calls.made(key)
        known = await records.images.get(made["image"]) if made else None
        if known is not None:
            return known
        image = await _kept(records, await self._named(records, self._draft(said, None)))
        await records.calls.note(key, image=image.id)
        return image

    async def _named(self, records: Records, image: Image) -> Image:
        """The image, if its name is free and it may be as public as said. Raises NameTaken, BootUnproved."""
        self._proofs.judge(image)
        self._catalog.check_name(image.name, catalog_id=image.catalog_id)
        await demand_free(records, image.name, image.project_id)
        return image

    def _draft(self, said: Description, source: ImportSource | None) -> Image:
        """The image as it is said to be, every word judged."""
        now = self._clock.now()
        filename = source.filename if source else ""
        image = Image(
            id=self._new_id(),
            name=name_for(said.name, self._catalog.own_name(name_of_file(filename))),
            project_id=readable(said.project_id, field="project_id", most=_LONGEST_PROJECT) or "default",
            catalog_id=said.catalog_id if self._catalog.find(said.catalog_id) else "",
            format=(_becomes(source.format, source.wanted) if source else said.format) or ImageFormat.QCOW2,
            visibility=said.visibility,
            origin=shown_url(source.url) if source else "",
            created_at=now,
            updated_at=now,
        )
        words = {
            "description": said.description,
            "labels": said.labels,
            "os": told_os(said.os, filename) if source else said.os,
            "requirements": said.requirements,
        }
        return updated(image, ImageUpdate(values=words)).evolve(revision=1)

    def _job(self, image: Image, node: Node) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.IMPORT,
            image_id=image.id,
            image_name=image.name,
            catalog_id=image.catalog_id,
            node_id=node.id,
            pool_id=node.store_id,
            architecture=image.os.architecture,
            space_bytes=LEAST_ROOM,
            created_at=now,
            updated_at=now,
        )


async def _kept(records: Records, image: Image) -> Image:
    """The image as it is recorded, with the number of that change."""
    await records.images.save(image)
    return await records.images.get(image.id) or image


def _becomes(came: ImageFormat, wanted: Shape | None) -> ImageFormat:
    """An ISO is no disk, and stays what it is."""
    return came if wanted is None or came is ImageFormat.ISO else wanted.format


def _order(job: Job, image: Image, source: ImportSource) -> DownloadOrder:
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url=source.url,
        filename=f"{image.name}.{_SUFFIXES.get(image.format, image.format.value)}",
        format=source.format,
        wanted=source.wanted,
        checksum_algorithm=source.algorithm,
        checksum_url=source.checksum_url,
        digest=source.digest,
        size_bytes=source.size_bytes,
        unverified=source.unverified,
    )
