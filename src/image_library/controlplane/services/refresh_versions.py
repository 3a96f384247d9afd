"""The versions of a name as a refresh judges them, and letting go of those that are not kept."""

from __future__ import annotations

from typing import Protocol

import structlog

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.deletions import ImageDeletion
from image_library.domain.errors import LibraryError
from image_library.domain.image import Image, ImagePhase
from image_library.domain.refresh import HeldVersion, beyond

log = structlog.get_logger()


class Deleting(Protocol):
    """The part of the deletions that pruning needs."""

    async def delete(self, wish: ImageDeletion) -> None: ...


async def held_versions(records: Records, name: str, project_id: str) -> tuple[HeldVersion, ...]:
    """Every version of the name whose bytes are known and that is not on its way out."""
    versions = await records.images.versions(name, project_id)
    busy = {job.image_id for job in await records.jobs.live()}
    return tuple(
        [await _held(records, image, busy) for image in versions if _counts(image)],
    )


def _counts(image: Image) -> bool:
    return bool(image.digest) and image.phase is not ImagePhase.DELETING


async def _held(records: Records, image: Image, busy: set[str]) -> HeldVersion:
    return HeldVersion(
        id=image.id,
        digests=frozenset(image.digests),
        earlier=frozenset(image.earlier),
        imported_at=image.created_at,
        release=image.release,
        current=image.current,
        in_use=image.id in busy or bool(await records.images.used_by(image.id)),
        protected=image.protected,
    )


class Pruning:
    def __init__(self, *, database: Database, deletions: Deleting) -> None:
        self._database = database
        self._deletions = deletions

    async def prune(self, name: str, project_id: str, *, keep: int) -> None:
        """Delete what nothing uses of the name's versions, but for the last ``keep``.

        What came to be needed meanwhile stays, without a word: the next refresh looks again. While the
        version that the name points to is on no node, all others stay.
        """
        async with self._database.read() as records:
            current = next(iter(await records.images.named(name, project_id)), None)
            if current is None or not current.ready_placements:
                return
            old = beyond(await held_versions(records, name, project_id), keep)
        for version in old:
            try:
                await self._deletions.delete(ImageDeletion(name=version.id, superseded=True))
            except LibraryError as error:
                log.info("version_not_pruned", image_id=version.id, name=name, code=error.code)
            else:
                log.info("version_pruned", image_id=version.id, name=name, release=version.release)
