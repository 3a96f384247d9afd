"""The copies of images on nodes, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.controlplane.ports.copies import Copy, Place
from image_library.domain.image import Image, PlacementState


class MemoryCopies:
    """Fulfils ``ports.copies.Copies``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def on_node(self, node_id: str) -> tuple[Copy, ...]:
        return tuple(self._copies(node_id))

    def _copies(self, node_id: str) -> Iterator[Copy]:
        for image in self._tables.images.values():
            if placed := image.placement_on(node_id):
                yield Copy(
                    image_id=image.id,
                    digest=image.digest,
                    catalog_id=image.catalog_id,
                    phase=image.phase,
                    pool_id=placed.pool_id,
                    path=placed.path,
                    state=placed.state,
                    verified_at=placed.verified_at,
                )

    async def holders(self, digests: Collection[str]) -> Mapping[str, frozenset[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for image in self._tables.images.values():
            if image.digest and image.digest in digests:
                found[image.digest].add(image.id)
        return {digest: frozenset(ids) for digest, ids in found.items()}

    async def images(self, image_ids: Collection[str]) -> tuple[Image, ...]:
        return tuple(self._tables.images[i] for i in image_ids if i in self._tables.images)

    async def taken(self, names: Collection[str], project_id: str) -> frozenset[str]:
        current = (i for i in self._tables.images.values() if i.current and i.project_id == project_id)
        return frozenset({image.name.lower() for image in current} & set(names))

    async def counts(self, node_ids: Collection[str]) -> Mapping[str, int]:
        found = dict.fromkeys(node_ids, 0)
        for image in self._tables.images.values():
            for placed in image.placements:
                if placed.node_id in found and placed.state is PlacementState.READY:
                    found[placed.node_id] += 1
        return found

    async def in_state(self, state: PlacementState) -> frozenset[Place]:
        return frozenset(
            Place(image_id=image.id, node_id=placed.node_id)
            for image in self._tables.images.values()
            for placed in image.placements
            if placed.state is state
        )
