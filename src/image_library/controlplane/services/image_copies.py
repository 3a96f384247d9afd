"""Copies within the library: a node gets a version from another node, not from its publisher once more."""

from __future__ import annotations

from image_library.controlplane.ports.records import Records
from image_library.domain.image import Image, ImageFormat, ImagePhase
from image_library.domain.job import Job
from image_library.domain.node import Node, NodePhase
from image_library.domain.store import DownloadOrder

_SUFFIXES = {ImageFormat.RAW: "img"}


async def holders(records: Records, image: Image, *, but: str = "") -> tuple[Node, ...]:
    """The nodes that have the whole image, are ready, and are not the one left out."""
    if image.phase is not ImagePhase.READY or not image.digest:
        return ()
    found = [await records.nodes.get(c.node_id) for c in image.ready_placements if c.node_id != but]
    return tuple(node for node in found if node and node.phase is NodePhase.READY)


def readable_name(image: Image) -> str:
    """The name of a node's readable link to it: each version has its own."""
    name = f"{image.name}@{image.version}" if image.version > 1 else image.name
    return f"{name}.{_SUFFIXES.get(image.format, image.format.value)}"


def copy_order(job: Job, image: Image) -> DownloadOrder:
    """What a node is asked for that is to have a copy of this very version."""
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url="",
        filename=readable_name(image),
        format=image.format,
        checksum_algorithm="sha256",
        digest=image.digest.removeprefix("sha256:"),
        library_digest=image.digest,
    )
