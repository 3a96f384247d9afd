"""Which image a VM's disk is built on, on which node, and the download that brings it there if it must."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.catalog import Catalog, CatalogEntry
from image_library.domain.errors import (
    ImageNotReady,
    InvalidRequest,
    NodeUnreachable,
    UnknownImage,
    printable,
)
from image_library.domain.guest_facts import completed
from image_library.domain.guest_traits import guest_facts
from image_library.domain.image import Image, ImagePhase, Placement, PlacementState, Requirements
from image_library.domain.job import Job
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import GuestTraits, OsInfo
from image_library.domain.trust import TrustLevel
from image_library.domain.vm_wish import DiskWish


class Naming(Protocol):
    """Fulfilled by the images service."""

    async def resolve_in(self, records: Records, name: str, *, project: str = "") -> Image | CatalogEntry: ...


class Downloading(Protocol):
    """Fulfilled by the downloads service."""

    async def start(self, wish: DownloadWish) -> tuple[Job, Image]: ...


class Adopting(Protocol):
    """Fulfilled by the adoptions service."""

    async def start(self, name: str) -> Job: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """What was named: a catalogue entry, a known image, or an image that was made from an entry."""

    entry: CatalogEntry | None = None
    image: Image | None = None
    needs: Requirements
    traits: GuestTraits
    user: str
    os: OsInfo = OsInfo()

    @property
    def name(self) -> str:
        return self.image.name if self.image else self.entry.id if self.entry else ""

    @property
    def firmware_found(self) -> tuple[str, ...]:
        """What was seen inside it that it boots with; empty where nobody has looked."""
        return self.image.found.firmware if self.image and self.image.found else ()

    @property
    def best_trust(self) -> TrustLevel:
        """How far it is proved, or, where it has yet to be fetched, will be at best."""
        if self.image is not None:
            known = self.image.phase is ImagePhase.READY or self.image.evidence is not None
            # What is on its way is judged once it is here.
            return self.image.trust if known else TrustLevel.SIGNED
        variants = self.entry.variants if self.entry else ()
        return max((variant.best_trust for variant in variants), default=TrustLevel.UNVERIFIED)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The node that the VM will live on, the version, and the job to wait for (empty: it is there)."""

    node_id: str
    image: Image
    job_id: str = ""


class VmSources:
    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        names: Naming,
        downloads: Downloading,
        adoptions: Adopting,
    ) -> None:
        self._adoptions = adoptions
        self._database = database
        self._names = names
        self._catalog = catalog
        self._downloads = downloads

    async def find(self, disk: DiskWish, node: str = "", *, project: str) -> Source:
        """What the disk wish names among what the project may use; nothing is changed.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode: it names nothing, or several things.
            InvalidRequest: a backing file that is no known image's.
        """
        async with self._database.read() as records:
            if disk.backing_file:
                return self._source(await _by_path(records, disk.backing_file, node, project=project))
            entry = self._catalog.find(disk.image)
            if entry is not None:
                await _check_usable(records, entry, project)
                return _offered(entry)
            found = await self._names.resolve_in(records, disk.image, project=project)
            return _offered(found) if isinstance(found, CatalogEntry) else self._source(found)

    async def place(
        self,
        source: Source,
        node: str = "",
        *,
        needs: frozenset[str] = frozenset(),
        disc: Image | None = None,
    ) -> Place:
        """Where the VM will live: on the named node, or on one that has the image; else a download is begun.

        Among several, those that have the VM's ``disc``, and then what else it ``needs``, come first.

        Raises:
            UnknownNode, NodeUnreachable, NoNodeReady, StorageFull: there is no node for it.
            ImageNotReady: the image is not there and cannot be fetched.
        """
        async with self._database.read() as records:
            named = await _reachable(records, node) if node else None
            nodes = {n.id: n for n in await records.nodes.all()}
        if source.image is not None:
            ready = _ready_nodes(source.image, nodes, named)
            if ready:
                chosen = max(ready, key=lambda n: (_has(disc, n), n.can(needs), *_room(n)))
                return await self._adopted(Place(node_id=chosen.id, image=source.image))
        return await self._fetched(source, named or _equipped(nodes, needs, disc), nodes)

    async def _adopted(self, place: Place) -> Place:
        """The place, with the job that first makes an operator's own file a version that cannot change."""
        if place.image.digest:
            return place
        job = await self._adoptions.start(place.image.id)
        return replace(place, job_id=job.id)

    async def _fetched(self, source: Source, named: Node | None, nodes: dict[str, Node]) -> Place:
        image = source.image
        catalog_id = source.entry.id if source.entry else image.catalog_id if image else ""
        if image is not None and not self._catalog.find(catalog_id):
            raise _not_there(image, named, nodes)
        wish = DownloadWish(
            catalog_id=catalog_id,
            node=named.id if named else "",
            name=image.name if image else "",
            architecture=image.os.architecture if image else "",
        )
        job, found = await self._downloads.start(wish)
        if image is not None and found.id != image.id:
            raise _not_there(image, named, nodes)
        return Place(node_id=job.node_id, image=found, job_id=job.id)

    def _source(self, image: Image) -> Source:
        os = completed(image.os, image.found)
        traits, user = guest_facts(os, self._catalog, image.catalog_id)
        return Source(image=image, needs=image.requirements, traits=traits, user=user, os=os)


def _offered(entry: CatalogEntry) -> Source:
    """An entry as it is before anybody knows which of its variants it will be."""
    firmware = tuple(sorted({kind for variant in entry.variants for kind in variant.firmware}))
    needs = replace(entry.requirements, firmware=firmware or entry.requirements.firmware)
    return Source(entry=entry, needs=needs, traits=entry.traits, user=entry.os.default_user, os=entry.os)


def usable_copy(image: Image, node_id: str) -> Placement | None:
    """The image's whole copy on that node."""
    placed = image.placement_on(node_id)
    whole = image.phase is ImagePhase.READY and placed and placed.state is PlacementState.READY
    return placed if whole else None


async def _reachable(records: Records, named: str) -> Node:
    node = await find_node(records, named)
    if node.phase is NodePhase.OFFLINE:
        raise NodeUnreachable(f"Node {node.hostname} does not answer.", field="node_id")
    return node


async def _check_usable(records: Records, entry: CatalogEntry, project: str) -> None:
    """An entry whose images others keep to themselves is none for the project: nothing is fetched for it."""
    images = [image for image in await records.images.of_catalog(entry.id) if image.current]
    if images and not any(image.usable_by(project) for image in images):
        raise UnknownImage(f"There is no image '{entry.id}'.", field="spec.disks.image")


async def _by_path(records: Records, path: str, node: str, *, project: str) -> Image:
    node_id = (await find_node(records, node)).id if node else ""
    there = await records.images.at_path(path, node_id)
    found = {image.id: image for image in there if image.usable_by(project)}
    if len(found) != 1:
        raise InvalidRequest(
            f"The backing file '{printable(path)}' is not the path of a known image.",
            remedy="Name the image in spec.disks.image instead.",
            field="spec.disks.backing_file",
        )
    return next(iter(found.values()))


def _ready_nodes(image: Image, nodes: dict[str, Node], named: Node | None) -> list[Node]:
    """Nodes that have the image and answer; only the named one where one is named."""
    candidates = [named] if named else [n for n in nodes.values() if n.phase is NodePhase.READY]
    return [node for node in candidates if usable_copy(image, node.id)]


def _has(disc: Image | None, node: Node) -> bool:
    return disc is None or usable_copy(disc, node.id) is not None


def _room(node: Node) -> tuple[bool, int, str]:
    return node.takes_images, node.free_bytes, node.id


def _equipped(nodes: dict[str, Node], needs: frozenset[str], disc: Image | None) -> Node | None:
    """The node to fetch to where not every one would do; None where each does, or none."""
    there = [node for node in nodes.values() if node.takes_images]
    able = [node for node in there if node.can(needs) and _has(disc, node)]
    return max(able, key=_room) if 0 < len(able) < len(there) else None


def _not_there(image: Image, named: Node | None, nodes: dict[str, Node]) -> ImageNotReady | NodeUnreachable:
    where = [nodes[p.node_id].hostname for p in image.ready_placements if p.node_id in nodes]
    if not where or image.phase is not ImagePhase.READY:
        return ImageNotReady(f"Image '{image.name}' is not ready on any node.", field="spec.disks.image")
    if named is None:
        return NodeUnreachable(f"Image '{image.name}' is on {', '.join(where)}, which does not answer.")
    return ImageNotReady(
        f"Image '{image.name}' is on {', '.join(where)}, not on {named.hostname}.",
        remedy="Leave the node out, or put the image there first.",
        field="node_id",
    )
