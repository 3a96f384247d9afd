"""Images as people see them: found by any of their names, listed, and deleted when nothing needs them."""

from __future__ import annotations

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.image_pages import ImagePages
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import AmbiguousImage, ImageInUse, ImageIsLocal, UnknownImage, printable
from image_library.domain.image import Image, ImagePhase, Placement, PlacementState
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest

log = structlog.get_logger()


class ImageService:
    def __init__(
        self, *, database: Database, catalog: CatalogService, gateway: NodeGateway, clock: Clock
    ) -> None:
        self._database = database
        self._pages = ImagePages(database)
        self._catalog = catalog
        self._gateway = gateway
        self._clock = clock

    async def get(self, name: str) -> Image:
        """The image with this id, digest, catalog id or unique name, or the version NAME@NUMBER.

        Raises:
            UnknownImage: there is none; the closest names are named.
            AmbiguousImage: several images have the name.
        """
        found = await self.resolve(name)
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

    async def resolve_in(self, records: Records, name: str) -> Image | CatalogEntry:
        """``resolve`` within the caller's transaction."""
        exact = await records.images.get(name) or await _with_digest(records, name)
        if exact is not None:
            return exact
        plain, at, number = name.partition("@")
        entry = self._catalog.find(plain)
        named = await records.images.named(plain)
        if entry is not None and not at:
            return _best_version(await records.images.of_catalog(entry.id)) or entry
        if len(named) > 1:
            raise AmbiguousImage(f"{len(named)} images are called '{printable(plain)}'.", field="image")
        if not named:
            raise UnknownImage.named(plain, [*self._catalog.ids, *await records.images.names()])
        return await _version(records, named[0], number) if at else named[0]

    async def list(self, matching: ImageFilter, page: PageRequest) -> Page[Image]:
        """In the order that the page asks for."""
        return await self._pages.list(matching, page)

    async def delete(self, name: str) -> None:
        """Remove the image and every node's copy of it. Asking again goes on where a node was away.

        Raises:
            UnknownImage: there is none.
            ImageInUse: VMs are built on it, or it is being downloaded.
            ImageIsLocal: it is a file that an operator put on a node, and is still there.
            NodeUnreachable: a node with a copy does not answer; the image stays DELETING.
        """
        image = await self.get(name)
        async with self._database.write() as records:
            image = await self._condemn(records, image.id)
            copies = await _copies_to_remove(records, image)
        for node in copies:
            await self._gateway.remove_image(node, image.digest)
        async with self._database.write() as records:
            await records.images.remove(image.id)
        log.info("image_deleted", image_id=image.id, digest=image.digest)

    async def _condemn(self, records: Records, image_id: str) -> Image:
        """Mark it DELETING, in the transaction that proves that nothing needs it."""
        image = await records.images.get(image_id)
        if image is None:
            raise UnknownImage(f"There is no image '{printable(image_id)}'.", field="id")
        users = await records.images.used_by(image_id)
        if users:
            raise ImageInUse(f"'{image.name}' is the base of the VM {', '.join(users)}.", field="id")
        for job in await records.jobs.of_image(image_id):
            if not job.state.ended:
                cancel = f"Cancel the download first: 'limiquantix jobs cancel {job.id}'."
                raise ImageInUse(f"'{image.name}' is being downloaded.", remedy=cancel, field="id")
        if image.ready_placements and not image.digest:
            path = image.ready_placements[0].path
            raise ImageIsLocal(f"'{image.name}' is the file {printable(path)} on a node.", field="id")
        condemned = image.evolve(phase=ImagePhase.DELETING, updated_at=self._clock.now())
        await records.images.save(condemned)
        return condemned


async def _with_digest(records: Records, digest: str) -> Image | None:
    """The image with this digest, "sha256:HEX"; where several have it, one that a name points to."""
    found = await records.images.with_digest(digest) if digest.startswith("sha256:") else ()
    return min(found, key=lambda image: not image.current, default=None)


async def _version(records: Records, latest: Image, number: str) -> Image:
    versions = {str(v.version): v for v in await records.images.versions(latest.name, latest.project_id)}
    if number not in versions:
        there = ", ".join(sorted(versions, key=int))
        raise UnknownImage(
            f"'{latest.name}' has no version {printable(number)}.", remedy=f"There are: {there}.", field="id"
        )
    return versions[number]


def _best_version(versions: tuple[Image, ...]) -> Image | None:
    """The newest that is READY, else the newest that is not on its way out."""
    versions = tuple(image for image in versions if image.current)
    ready = [image for image in versions if image.phase is ImagePhase.READY]
    staying = [image for image in versions if image.phase is not ImagePhase.DELETING]
    return next(iter([*ready, *staying]), None)


async def _copies_to_remove(records: Records, image: Image) -> list[Node]:
    """Nodes with a published copy that no other image shares."""
    sharing = [other for other in await records.images.with_digest(image.digest) if other.id != image.id]
    nodes = [await records.nodes.get(p.node_id) for p in image.placements if _published(p)]
    return [n for n in nodes if n and not any(other.placement_on(n.id) for other in sharing)]


def _published(placement: Placement) -> bool:
    return placement.state is not PlacementState.FETCHING
