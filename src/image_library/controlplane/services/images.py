"""Images as people see them: found by any of their names, and listed."""

from __future__ import annotations

from dataclasses import replace

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.image_pages import ImagePages
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import AmbiguousImage, UnknownImage, printable
from image_library.domain.image import Image, ImagePhase
from image_library.domain.paging import LARGEST_PAGE_SIZE, Page, PageRequest


class ImageService:
    def __init__(self, *, database: Database, catalog: CatalogService) -> None:
        self._database = database
        self._pages = ImagePages(database)
        self._catalog = catalog

    async def get(self, name: str) -> Image:
        """The image with this id, digest, catalog id or unique name, or the version NAME@NUMBER.

        Raises:
            UnknownImage: there is none; the closest names are named.
            AmbiguousImage: several images have the name.
        """
        async with self._database.read() as records:
            return await self.get_in(records, name)

    async def get_in(self, records: Records, name: str) -> Image:
        """``get`` within the caller's transaction."""
        found = await self.resolve_in(records, name)
        if isinstance(found, Image):
            return found
        raise UnknownImage(
            f"'{found.id}' has not been downloaded.",
            remedy=f"Download it: 'limiquantix images download {found.id}'.",
            field="id",
        )

    async def resolve(self, name: str) -> Image | CatalogEntry:
        """What ``name`` means: an image, or a catalogue entry of which there is no image yet.

        An image's id comes first, then a digest, then a catalog id, then a name; "NAME@2" is a version.

        Raises:
            UnknownImage: there is none; the closest names are named.
            AmbiguousImage: several images have the name.
        """
        async with self._database.read() as records:
            return await self.resolve_in(records, name)

    async def resolve_in(self, records: Records, name: str, *, project: str = "") -> Image | CatalogEntry:
        """``resolve`` within the caller's transaction; with a project, among what that may use.

        Names and ids of other projects' images are not told: they are as unknown as any.
        """
        found = await records.images.get(name)
        for exact in (found,) if found else await _with_digest(records, name):
            if _usable(exact, project):
                return exact
        plain, at, number = name.partition("@")
        entry = self._catalog.find(plain)
        if entry is not None and not at:
            versions = await records.images.of_catalog(entry.id)
            return _best_version(tuple(v for v in versions if _usable(v, project))) or entry
        named = [i for i in await records.images.named(plain) if _usable(i, project)]
        # A project's own name comes before one that is shared with it.
        named = [i for i in named if project and i.project_id == project] or named
        if len(named) > 1:
            raise AmbiguousImage(f"{len(named)} images are called '{printable(plain)}'.", field="image")
        if not named:
            raise UnknownImage.named(plain, [*self._catalog.ids, *await _names(records, project)])
        return await _version(records, named[0], number, project=project) if at else named[0]

    async def list(
        self, matching: ImageFilter, page: PageRequest, *, support_ended: bool | None = None
    ) -> Page[Image]:
        """In the order that the page asks for; of what is in no catalogue, the support never ends."""
        if support_ended is not None:
            ended = self._catalog.ended_ids
            matching = replace(matching, catalog_ids=ended, of_catalog_ids=support_ended)
        return await self._pages.list(matching, page)


async def _with_digest(records: Records, digest: str) -> list[Image]:
    """Images with this digest, "sha256:HEX"; those that names point to come first."""
    found = await records.images.with_digest(digest) if digest.startswith("sha256:") else ()
    return sorted(found, key=lambda image: not image.current)


async def _version(records: Records, latest: Image, number: str, *, project: str) -> Image:
    found = await records.images.versions(latest.name, latest.project_id)
    versions = {str(v.version): v for v in found if _usable(v, project)}
    if number not in versions:
        there = ", ".join(sorted(versions, key=int))
        raise UnknownImage(
            f"'{latest.name}' has no version {printable(number)}.", remedy=f"There are: {there}.", field="id"
        )
    return versions[number]


async def _names(records: Records, project: str) -> tuple[str, ...]:
    """Names to propose, as far as the project may know them."""
    if not project:
        return await records.images.names()
    page = PageRequest(size=LARGEST_PAGE_SIZE)
    return tuple(
        i.name for i in (await records.images.list(ImageFilter(usable_by_project=project), page)).items
    )


def _usable(image: Image, project: str) -> bool:
    return not project or image.usable_by(project)


def _best_version(versions: tuple[Image, ...]) -> Image | None:
    """The newest that is READY, else the newest that is not on its way out."""
    versions = tuple(image for image in versions if image.current)
    ready = [image for image in versions if image.phase is ImagePhase.READY]
    staying = [image for image in versions if image.phase is not ImagePhase.DELETING]
    return next(iter([*ready, *staying]), None)
