"""The copies of images on nodes, told without the images themselves: a report names thousands of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from image_library.domain.image import Image, ImagePhase, PlacementState


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What is recorded of one image's copy on a node, and just enough of the image."""

    image_id: str
    digest: str
    catalog_id: str
    phase: ImagePhase
    pool_id: str
    path: str
    state: PlacementState
    # When its bytes were last read and found right.
    verified_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """One image on one node."""

    image_id: str
    node_id: str


class Copies(Protocol):
    """Part of one transaction (see ``Records``). Each method is a fixed number of queries."""

    async def on_node(self, node_id: str) -> tuple[Copy, ...]:
        """Every copy there, whatever its state."""
        ...

    async def holders(self, digests: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The ids of the images with each digest; digests that no image has are left out."""
        ...

    async def images(self, image_ids: Collection[str]) -> tuple[Image, ...]:
        """Those of these images that there are."""
        ...

    async def taken(self, names: Collection[str], project_id: str) -> frozenset[str]:
        """Which of these names point to an image of the project; in small letters, as they must be given."""
        ...

    async def counts(self, node_ids: Collection[str]) -> Mapping[str, int]:
        """How many images have a ready copy on each of these nodes; none is left out."""
        ...

    async def in_state(self, state: PlacementState) -> frozenset[Place]:
        """Where copies are so."""
        ...
