"""Changing what is said of an image: in one transaction, judged, and refused where somebody was quicker."""

from __future__ import annotations

from dataclasses import replace

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.images import ImageService
from image_library.domain.errors import ImageDeleting, InvalidRequest, NameTaken, UnknownImage
from image_library.domain.image import Deprecation, Image, ImagePhase
from image_library.domain.image_update import ImageUpdate, updated
from image_library.domain.proof_policy import NO_RULE, ProofPolicy

log = structlog.get_logger()


class ImageEdits:
    def __init__(
        self,
        *,
        database: Database,
        images: ImageService,
        catalog: CatalogService,
        clock: Clock,
        proofs: ProofPolicy = NO_RULE,
    ) -> None:
        self._proofs = proofs
        self._database = database
        self._images = images
        self._catalog = catalog
        self._clock = clock

    async def update(self, name: str, update: ImageUpdate, *, key: str = "") -> Image:
        """The image as it is then. A new name is the name of every version; all else is this version's.

        What a call with the same key has changed already is not changed again.

        Raises:
            UnknownImage: there is none, or none like the replacement.
            ImageChanged: the caller saw an older one.
            ImageDeleting: it is on its way out.
            NameTaken: another image of the project, or a catalogue entry, is called so.
            BootUnproved: it would become public, and must be proved to boot before.
            InvalidName, InvalidCharacter, InvalidUser, InvalidRequest: a value cannot be kept.
        """
        async with self._database.write() as records:
            made = await records.calls.made(key)
            known = await records.images.get(made["image"]) if made else None
            if known is not None:
                return known
            before = await self._images.get_in(records, name)
            if before.phase is ImagePhase.DELETING:
                raise ImageDeleting(f"'{before.title}' is being deleted.", field="id")
            after = updated(before, update)
            if after == before:
                return before
            if after.visibility is not before.visibility:
                self._proofs.judge(after)
            if after.deprecation not in (None, before.deprecation):
                await self._check_replacement(records, after, after.deprecation)
            if after.name != before.name:
                await self._rename(records, before, after.name)
            await records.images.save(after.evolve(updated_at=self._clock.now()))
            await records.calls.note(key, image=after.id)
            kept = await records.images.get(after.id)
        log.info("image_updated", image_id=after.id, fields=sorted(update.values), revision=after.revision)
        return kept or after

    async def _check_replacement(
        self, records: Records, image: Image, deprecation: Deprecation | None
    ) -> None:
        """What people are sent to must be there."""
        wanted = deprecation.replacement if deprecation else ""
        if not wanted:
            return
        try:
            found = await self._images.resolve_in(records, wanted)
        except UnknownImage as error:
            raise UnknownImage(error.message, remedy=error.remedy, field="deprecation.replacement") from None
        if isinstance(found, Image) and found.id == image.id:
            raise InvalidRequest("An image cannot replace itself.", field="deprecation.replacement")

    async def _rename(self, records: Records, image: Image, name: str) -> None:
        """Give the other versions the name; the caller saves this one."""
        self._catalog.check_name(name, catalog_id=image.catalog_id)
        own = await records.images.versions(image.name, image.project_id)
        mine = {version.id for version in own}
        taken = await records.images.versions(name, image.project_id)
        if any(other.id not in mine for other in taken):
            raise NameTaken(f"An image '{name}' exists already.", field="name")
        now = self._clock.now()
        for version in own:
            if version.id != image.id:
                await records.images.save(
                    replace(version, name=name, revision=version.revision + 1, updated_at=now)
                )
