"""Which names a refresh is about: each with its entry of the catalogue and the nodes that could ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.images import ImageService
from image_library.domain.catalog import Variant
from image_library.domain.errors import InvalidRequest
from image_library.domain.image import Image, ImagePhase
from image_library.domain.node import Node, NodePhase

# Catalog id and architecture: what a publisher is asked about once.
Subject = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A name that points to an image of the catalogue."""

    image: Image
    # What the publisher is asked about; none where the catalogue does not have it any more.
    variant: Variant | None
    # Ready ones, those that hold the image first.
    nodes: tuple[Node, ...]

    @property
    def present(self) -> bool:
        return _present(self.image)

    @property
    def subject(self) -> Subject:
        return self.image.catalog_id, self.image.os.architecture


class RefreshTargets:
    def __init__(self, *, images: ImageService, catalog: CatalogService) -> None:
        self._images = images
        self._catalog = catalog

    async def named(self, records: Records, words: Sequence[str]) -> tuple[Target, ...]:
        """What these ids, names and catalog ids mean, each once.

        Raises:
            UnknownImage, AmbiguousImage: a word names nothing that is here, or several things.
            InvalidRequest: an image did not come from the catalogue.
        """
        found: dict[str, Image] = {}
        for word in words:
            found |= {image.id: image for image in await self._meant(records, word)}
        return await self._targets(records, list(found.values()))

    async def all(self, records: Records) -> tuple[Target, ...]:
        """Every name that points to an image of the catalogue that is here."""
        images = await records.images.of_catalog()
        return await self._targets(records, sorted(filter(_present, images), key=lambda image: image.name))

    async def _meant(self, records: Records, word: str) -> list[Image]:
        if self._catalog.find(word):
            here = [image for image in await records.images.of_catalog(word) if _present(image)]
            return here or [await self._images.get_in(records, word)]
        image = await self._images.get_in(records, word)
        if not image.catalog_id:
            raise InvalidRequest(
                f"'{image.name}' did not come from the catalog, so nobody can be asked for a newer one.",
                remedy="Import the newer one, or add an entry to the catalog (docs/catalog.md).",
                field="images",
            )
        return list(await records.images.named(image.name, image.project_id)) or [image]

    async def _targets(self, records: Records, images: Sequence[Image]) -> tuple[Target, ...]:
        nodes = [node for node in await records.nodes.all() if node.phase is NodePhase.READY]
        return tuple(self._target(image, nodes) for image in images)

    def _target(self, image: Image, nodes: Sequence[Node]) -> Target:
        entry = self._catalog.find(image.catalog_id)
        holding = {copy.node_id for copy in image.ready_placements}
        return Target(
            image=image,
            variant=entry.variant_for(image.os.architecture) if entry else None,
            nodes=tuple(sorted(nodes, key=lambda node: (node.id not in holding, node.id))),
        )


def _present(image: Image) -> bool:
    return image.current and image.phase is ImagePhase.READY
