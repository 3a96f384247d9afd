"""Images in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from image_library.controlplane.adapters.memory.image_filters import matches
from image_library.controlplane.adapters.memory.tables import Tables, newest_first, page_of
from image_library.controlplane.ports.images import ImageFilter
from image_library.domain.errors import NameTaken
from image_library.domain.image import Image
from image_library.domain.paging import Key, Page, PageRequest, SortKey, micros

_KEYS: dict[SortKey, Callable[[Image], Key]] = {
    SortKey.CREATED_AT: lambda image: micros(image.created_at),
    SortKey.UPDATED_AT: lambda image: micros(image.updated_at),
    SortKey.NAME: lambda image: image.name.lower(),
    SortKey.SIZE_BYTES: lambda image: image.size_bytes,
}


class MemoryImages:
    """Fulfils ``ports.images.Images``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, image_id: str) -> Image | None:
        return self._tables.images.get(image_id)

    async def named(self, name: str, project_id: str = "") -> tuple[Image, ...]:
        return newest_first(
            i
            for i in self._all()
            if i.current and i.name.lower() == name.lower() and project_id in ("", i.project_id)
        )

    async def versions(self, name: str, project_id: str) -> tuple[Image, ...]:
        same = [i for i in self._all() if i.name.lower() == name.lower() and i.project_id == project_id]
        return tuple(sorted(same, key=lambda image: image.version, reverse=True))

    async def of_catalog(self, catalog_id: str = "") -> tuple[Image, ...]:
        return newest_first(i for i in self._all() if i.catalog_id and catalog_id in ("", i.catalog_id))

    async def with_digest(self, digest: str) -> tuple[Image, ...]:
        return newest_first(i for i in self._all() if digest and i.digest == digest)

    async def on_node(self, node_id: str) -> tuple[Image, ...]:
        return newest_first(i for i in self._all() if i.placement_on(node_id))

    async def at_path(self, path: str, node_id: str = "") -> tuple[Image, ...]:
        return newest_first(
            i for i in self._all() if any(p.path == path and node_id in ("", p.node_id) for p in i.placements)
        )

    async def list(
        self, matching: ImageFilter, page: PageRequest, *, total: int | None = None
    ) -> Page[Image]:
        used = {image_id for vm in self._tables.vms.values() for image_id in vm.kept_images}
        fitting = (i for i in self._all() if matches(i, matching, in_use=i.id in used))
        return page_of(fitting, page, _KEYS[page.order.key])

    async def names(self) -> tuple[str, ...]:
        return tuple(sorted({i.name for i in self._all()}))

    async def save(self, image: Image) -> None:
        same = await self.named(image.name, image.project_id)
        if image.current and any(other.id != image.id for other in same):
            raise NameTaken(f"An image '{image.name}' exists already.", field="name")
        self._tables.images[image.id] = replace(image, sequence=self._tables.stamp())

    async def save_all(self, images: Sequence[Image]) -> None:
        for image in images:
            await self.save(image)

    async def remove(self, image_id: str) -> None:
        if self._tables.images.pop(image_id, None):
            self._tables.note_removal("image", image_id)

    async def bytes_of_project(self, project_id: str) -> int:
        return sum(
            {i.digest: i.size_bytes for i in self._all() if i.digest and i.project_id == project_id}.values()
        )

    async def used_by(self, image_id: str) -> tuple[str, ...]:
        return tuple(sorted(vm.name for vm in self._tables.vms.values() if image_id in vm.kept_images))

    def _all(self) -> list[Image]:
        return list(self._tables.images.values())
