"""What a wished upload comes to: an image that waits for its bytes, a job, and a node that keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.damage import UPLOADED
from image_library.controlplane.services.import_wish import told_os
from image_library.controlplane.services.node_choice import wished_node
from image_library.controlplane.services.taken_names import demand_free
from image_library.domain.catalog import Catalog
from image_library.domain.checksum import parse_digest
from image_library.domain.conversion import wished_shape
from image_library.domain.errors import (
    ImageNotReady,
    UnknownImage,
    UploadRefused,
    UploadTooLarge,
    printable,
)
from image_library.domain.identity import valid_name
from image_library.domain.image import Image, ImageFormat, ImagePhase, Placement, Visibility
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.os_info import OsInfo
from image_library.domain.progress import Progress
from image_library.domain.store import DownloadOrder

UPLOADER = "bytes from the uploader"
_GIB = 1 << 30
_SUFFIXES = {"qcow2": ImageFormat.QCOW2, "raw": ImageFormat.RAW, "img": ImageFormat.RAW}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class UploadWish:
    """What somebody wants to upload; empty fields are chosen by us. ``size`` in bytes."""

    size: int
    filename: str = ""
    name: str = ""
    # An image that was registered without bytes, which these are.
    image_id: str = ""
    project_id: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    # What the file's name adds to.
    os: OsInfo = OsInfo()
    format: str = ""
    # What it becomes: as ``wished_shape`` reads it.
    target_format: str = ""
    target_compression: str = ""
    # What the bytes must have in the end: "sha256:HEX", "sha512:HEX" or hexadecimal.
    checksum: str = ""
    # The same as the uploader counted it: proves that what came is what was sent, and nothing else.
    transfer_checksum: str = ""
    # Id or host name of a node.
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Zero: no limit."""

    largest_gib: int = 2048
    project_quota_gib: int = 0


class UploadPlanner:
    """Works within the caller's transaction, so that quota and space are promised once."""

    def __init__(self, *, catalog: Catalog, clock: Clock, new_id: NewId, limits: Limits) -> None:
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id
        self._limits = limits

    async def plan(self, records: Records, wish: UploadWish) -> tuple[Job, Image, DownloadOrder]:
        """The job, its image and what the node will be asked for; all are saved.

        Raises:
            UploadRefused, UploadTooLarge, InvalidDigest, InvalidName, NameTaken: it cannot be uploaded so.
            UnknownImage, ImageNotReady: there is no such image that waits for bytes.
            UnknownNode, NoNodeReady, StorageFull, StoreDegraded: no node can keep it.
        """
        format_ = _format(wish)
        wanted = wished_shape(wish.target_format, wish.target_compression, field="target_format")
        becomes = format_ if wanted is None or format_ is ImageFormat.ISO else wanted.format
        said = wish.checksum or wish.transfer_checksum
        digest = parse_digest(said) if said else None
        image = await self._image(records, wish, becomes)
        await self._judge_size(records, wish, image)
        named = wish.node
        node = await wished_node(records, named=named, pool_id="", needed=wish.size)
        job = self._job(image, node, wish)
        order = DownloadOrder(
            job_id=job.id,
            image_id=image.id,
            url="",
            filename=f"{image.name}.{'img' if becomes is ImageFormat.RAW else becomes.value}",
            format=format_,
            wanted=wanted,
            checksum_algorithm=digest.algorithm if digest else "sha256",
            digest=digest.hex if digest else "",
            unverified=not wish.checksum,
            received=True,
        )
        waiting = image.with_placement(Placement(node_id=node.id, pool_id=node.store_id))
        waiting = waiting.evolve(phase=ImagePhase.DOWNLOADING, origin=UPLOADED, failure=None)
        await records.images.save(waiting)
        await records.jobs.add(job, order)
        return job, waiting, order

    async def _image(self, records: Records, wish: UploadWish, format_: ImageFormat) -> Image:
        if wish.image_id:
            return await self._waiting(records, wish.image_id, format_)
        name = valid_name(wish.name or self._catalog.own_name(_name_of(wish.filename)))
        self._catalog.check_name(name)
        project = wish.project_id or "default"
        await demand_free(records, name, project)
        now = self._clock.now()
        return Image(
            id=self._new_id(),
            name=name,
            project_id=project,
            description=wish.description,
            labels=dict(wish.labels),
            os=told_os(wish.os, wish.filename),
            format=format_,
            visibility=Visibility.PROJECT,
            created_at=now,
            updated_at=now,
        )

    async def _waiting(self, records: Records, image_id: str, format_: ImageFormat) -> Image:
        image = await records.images.get(image_id)
        if image is None:
            raise UnknownImage(f"There is no image '{printable(image_id)}'.", field="image_id")
        live = [job for job in await records.jobs.of_image(image.id) if not job.state.ended]
        if live or image.digest or image.phase not in (ImagePhase.PENDING, ImagePhase.ERROR):
            raise ImageNotReady(
                f"'{image.name}' does not wait for an upload.",
                remedy="Upload under a new name.",
                field="image_id",
            )
        return image.evolve(format=format_)

    async def _judge_size(self, records: Records, wish: UploadWish, image: Image) -> None:
        if wish.size <= 0:
            raise UploadRefused("An upload has at least one byte.", field="Upload-Length")
        largest, quota = self._limits.largest_gib * _GIB, self._limits.project_quota_gib * _GIB
        if largest and wish.size > largest:
            raise UploadTooLarge(
                f"The upload has {wish.size} bytes; at most {largest} are taken.", field="Upload-Length"
            )
        if not quota:
            return
        used = await records.images.bytes_of_project(image.project_id) + await _promised(records, image)
        if used + wish.size > quota:
            raise UploadTooLarge(
                f"Project '{image.project_id}' has {max(0, quota - used)} of {quota} bytes left; "
                f"the upload needs {wish.size}.",
                field="Upload-Length",
            )

    def _job(self, image: Image, node: Node, wish: UploadWish) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.UPLOAD,
            image_id=image.id,
            image_name=image.name,
            node_id=node.id,
            pool_id=node.store_id,
            architecture=image.os.architecture,
            state=JobState.FETCHING,
            progress=Progress(total=wish.size),
            waiting_for=UPLOADER,
            waiting_since=now,
            created_at=now,
            updated_at=now,
        )


def receives(job: Job) -> bool:
    """Whether it is an upload that still waits for bytes."""
    whole = job.progress.done == job.progress.total > 0
    return job.kind is JobKind.UPLOAD and job.state is JobState.FETCHING and not whole


async def _promised(records: Records, image: Image) -> int:
    """Bytes that live uploads of the project will have."""
    total = 0
    for job in await records.jobs.live():
        other = await records.images.get(job.image_id) if job.kind is JobKind.UPLOAD else None
        if other is not None and other.project_id == image.project_id:
            total += job.progress.total
    return total


def _format(wish: UploadWish) -> ImageFormat:
    said = wish.format.lower() or wish.filename.rpartition(".")[2].lower()
    if said in _SUFFIXES:
        return _SUFFIXES[said]
    if wish.format:
        known = ", ".join(sorted(set(_SUFFIXES) - {"img"}))
        raise UploadRefused(
            f"The format '{printable(wish.format)}' is not taken.", remedy=f"Use {known}.", field="format"
        )
    return ImageFormat.QCOW2


def _name_of(filename: str) -> str:
    stem = filename.rsplit("/", 1)[-1].rsplit("\\", 1)[-1].rpartition(".")[0] or filename
    return _NOT_IN_NAMES.sub("-", stem).strip("-._")[:63].strip("-._")
