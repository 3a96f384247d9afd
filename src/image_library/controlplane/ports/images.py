"""The images that are known, each with its copies on the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from image_library.domain.image import Image, ImageFormat, Visibility
from image_library.domain.os_info import OsFamily
from image_library.domain.paging import Page, PageRequest


@dataclass(frozen=True, kw_only=True)
class ImageFilter:
    """Which images to list; None and empty values filter nothing, and every label must match."""

    project_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    os_family: OsFamily | None = None
    visibility: Visibility | None = None
    format: ImageFormat | None = None


class Images(Protocol):
    """Part of one transaction (see ``Records``); an image is saved with all its placements."""

    async def get(self, image_id: str) -> Image | None: ...

    async def named(self, name: str, project_id: str = "") -> tuple[Image, ...]:
        """Images with this name, in capitals or not; an empty project means any."""
        ...

    async def of_catalog(self, catalog_id: str = "") -> tuple[Image, ...]:
        """Every version that was made from this entry (empty: from any entry), newest first."""
        ...

    async def with_digest(self, digest: str) -> tuple[Image, ...]:
        """Images whose stored file has this digest ("sha256:HEX")."""
        ...

    async def on_node(self, node_id: str) -> tuple[Image, ...]:
        """Images with a placement there, whatever its state."""
        ...

    async def at_path(self, path: str, node_id: str = "") -> tuple[Image, ...]:
        """Images with a placement at exactly this path, on that node or on any."""
        ...

    async def list(self, matching: ImageFilter, page: PageRequest) -> Page[Image]:
        """Newest first."""
        ...

    async def names(self) -> tuple[str, ...]:
        """All names in use, for proposing the closest."""
        ...

    async def save(self, image: Image) -> None:
        """Adds or replaces it.

        Raises:
            NameTaken: another image of the project has its name.
        """
        ...

    async def remove(self, image_id: str) -> None: ...

    async def used_by(self, image_id: str) -> tuple[str, ...]:
        """Names of the VMs whose disks are built on it."""
        ...
