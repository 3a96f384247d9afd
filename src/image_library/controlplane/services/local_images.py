"""Images that a scan found: what of a node's word is believed, and what they are called here."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.identity import name_of_file
from image_library.domain.image import Image, ImageFormat, ImagePhase, Placement, PlacementState
from image_library.domain.inventory import ReportedImage
from image_library.domain.node import Node

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Where qemu-img's name differs from ours.
_FORMATS_OF_QEMU = {"vpc": "vhd"}
_LONGEST_PATH = 4096
_LARGEST_BYTES = 2**63 - 1
# Whose images they are.
PROJECT = "default"


def checked(entry: ReportedImage) -> ReportedImage:
    """The entry, if it can be recorded; without its checksum where that does not name a published blob.

    A node of the old contract may put any algorithm's digest there: its file is a local one like any other.

    Raises:
        InvalidRequest: something in it cannot be true.
    """
    if not _is_plain(entry.path):
        raise InvalidRequest("Its path is not a plain absolute one.", field="path")
    if max(entry.size_bytes, entry.virtual_size_bytes) > _LARGEST_BYTES:
        raise InvalidRequest("Its size is beyond every disk.", field="size_bytes")
    _format(entry)
    checksum = entry.checksum.lower()
    return replace(entry, checksum=checksum if _DIGEST.fullmatch(checksum) else "")


def _is_plain(path: str) -> bool:
    """Absolute, without a step back, and of a length and characters that a file system takes."""
    absolute = path.startswith("/") and not {".", ".."} & set(path.split("/"))
    return absolute and len(path) <= _LONGEST_PATH and path.isprintable()


def _format(entry: ReportedImage) -> ImageFormat:
    said = entry.format.lower()
    try:
        return ImageFormat(_FORMATS_OF_QEMU.get(said, said))
    except ValueError:
        named = printable(entry.format)
        raise InvalidRequest(f"'{named}' is not an image format known here.", field="format") from None


def local_image(node: Node, entry: ReportedImage, *, now: datetime, image_id: str) -> Image:
    """A new record for what a scan found: local, unverified, on that node only; its name may be taken."""
    return Image(
        id=image_id,
        name=name_of_file(entry.filename or entry.path) or "image",
        project_id=PROJECT,
        description="Found by a scan.",
        os=entry.detected_os,
        format=_format(entry),
        phase=ImagePhase.READY,
        size_bytes=entry.size_bytes,
        virtual_size_bytes=entry.virtual_size_bytes,
        progress_percent=100,
        digest=entry.checksum,
        found=entry.found,
        placements=(_copy(node, entry),),
        created_at=now,
        updated_at=now,
    )


def refreshed(image: Image, node: Node, entry: ReportedImage, now: datetime) -> Image:
    """A local image as the newest scan saw it; unchanged facts leave it as it is."""
    current = image.with_placement(_copy(node, entry)).evolve(
        os=entry.detected_os,
        format=_format(entry),
        size_bytes=entry.size_bytes,
        virtual_size_bytes=entry.virtual_size_bytes,
    )
    return _usable(image, current, now)


def seen_again(image: Image, node: Node, entry: ReportedImage, now: datetime) -> Image:
    """A published image whose copy the node reports; what it is comes from our own records."""
    before = image.placement_on(node.id)
    copy = _copy(node, entry)
    if before is not None:
        copy = replace(copy, verified_at=_latest(before.verified_at, entry.verified_at))
    current = image.with_placement(copy).evolve(found=image.found or entry.found)
    return _usable(image, current, now)


def _latest(known: datetime | None, said: datetime | None) -> datetime | None:
    return max((moment for moment in (known, said) if moment), default=None)


def _usable(before: Image, after: Image, now: datetime) -> Image:
    """READY again if only its copies were missing; an image on its way out stays on it."""
    if after.phase is ImagePhase.ERROR:
        after = after.evolve(phase=ImagePhase.READY, failure=None, progress_percent=100)
    return before if after == before else after.evolve(updated_at=now)


def _copy(node: Node, entry: ReportedImage) -> Placement:
    return Placement(node_id=node.id, pool_id=node.store_id, path=entry.path, state=PlacementState.READY)
