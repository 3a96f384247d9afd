"""The images that are known, each with its copies on the nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from image_library.domain.image import Image, ImageFormat, ImagePhase, Visibility
from image_library.domain.os_info import OsFamily
from image_library.domain.paging import Page, PageRequest
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class ImageFilter:
    """Which images to list; None and empty values filter nothing, and all that is given must match.

    Of a set one value must match. Text is compared without capitals.
    """

    project_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""
    name_prefix: str = ""
    name_contains: str = ""
    # Looked for in name, distribution and description.
    search: str = ""
    distribution: str = ""
    os_version: str = ""
    architecture: str = ""
    os_families: frozenset[OsFamily] = frozenset()
    formats: frozenset[ImageFormat] = frozenset()
    phases: frozenset[ImagePhase] = frozenset()
    trust_levels: frozenset[TrustLevel] = frozenset()
    visibilities: frozenset[Visibility] = frozenset()
    # With a copy there, whatever its state.
    node_id: str = ""
    pool_id: str = ""
    catalog_id: str = ""
    # Made from one of these entries (True), or from none of them (False); see "catalog_ids".
    catalog_ids: frozenset[str] = frozenset()
    of_catalog_ids: bool | None = None
    digest: str = ""
    in_use: bool | None = None
    protected: bool | None = None
    deprecated: bool | None = None
    # Captured from VMs, or not.
    templates: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    # Images that this project may use.
    usable_by_project: str = ""
    all_versions: bool = False
    hidden_too: bool = False


class Images(Protocol):
    """Part of one transaction (see ``Records``); an image is saved with all its placements."""

    async def get(self, image_id: str) -> Image | None: ...

    async def named(self, name: str, project_id: str = "") -> tuple[Image, ...]:
        """What the name points to, in capitals or not: one image a project; an empty project means any."""
        ...

    async def versions(self, name: str, project_id: str) -> tuple[Image, ...]:
        """Every version of the name, the latest first."""
        ...

    async def of_catalog(self, catalog_id: str = "") -> tuple[Image, ...]:
        """Every version that was made from this entry (empty: from any entry), newest first."""
        ...

    async def with_digest(self, digest: str) -> tuple[Image, ...]:
        """Images whose stored file has this digest ("sha256:HEX")."""
        ...

    async def made_of(self, digest: str) -> tuple[Image, ...]:
        """Images that were made of one with this digest, newest first."""
        ...

    async def on_node(self, node_id: str) -> tuple[Image, ...]:
        """Images with a placement there, whatever its state."""
        ...

    async def at_path(self, path: str, node_id: str = "") -> tuple[Image, ...]:
        """Images with a placement at exactly this path, on that node or on any."""
        ...

    async def list(
        self, matching: ImageFilter, page: PageRequest, *, total: int | None = None
    ) -> Page[Image]:
        """In the order that the page asks for; ``total`` where it is known how many match."""
        ...

    async def names(self) -> tuple[str, ...]:
        """All names in use, for proposing the closest."""
        ...

    async def save(self, image: Image) -> None:
        """Adds or replaces it.

        Raises:
            NameTaken: it is current, and the name points to another image of the project.
        """
        ...

    async def save_all(self, images: Sequence[Image]) -> None:
        """``save`` for many at once.

        Raises:
            NameTaken: as ``save`` does; none of them is saved then.
        """
        ...

    async def remove(self, image_id: str) -> None: ...

    async def bytes_of_project(self, project_id: str) -> int:
        """The sizes of the project's images together, each digest once."""
        ...

    async def used_by(self, image_id: str) -> tuple[str, ...]:
        """Names of the VMs whose disks are built on it."""
        ...
