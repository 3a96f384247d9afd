"""Which node gets a download: the one that was named, or the best of those that are ready."""

from __future__ import annotations

from collections import Counter

from image_library.controlplane.ports.records import Records
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import InvalidRequest, NoNodeReady, StorageFull, UnknownNode, printable
from image_library.domain.image import Image
from image_library.domain.node import Node, NodePhase

_MIB = 1024**2
# Free bytes that a node should have for any image: sizes that are told are not trusted.
LEAST_ROOM = 256 * _MIB


async def find_node(records: Records, named: str) -> Node:
    """The node with this id or host name.

    Raises:
        UnknownNode: there is none.
    """
    by_id = await records.nodes.get(named)
    if by_id is not None:
        return by_id
    by_name = await records.nodes.with_hostname(named)
    if not by_name:
        raise UnknownNode(f"There is no node '{printable(named)}'.", field="node_id")
    return next((n for n in by_name if n.phase is NodePhase.READY), by_name[0])


async def choose_node(records: Records, entry: CatalogEntry, architecture: str) -> Node:
    """A ready node: first one that has the image or is fetching it, then the least busy, then the emptiest.

    Raises:
        NoNodeReady: no node is ready, or none of them is of that architecture.
        StorageFull: no ready node has the space for it.
    """
    ready = [n for n in await records.nodes.all() if n.phase is NodePhase.READY]
    fitting = [n for n in ready if entry.variant_for(architecture or architecture_of(n))]
    native = [n for n in fitting if architecture in ("", architecture_of(n))] or fitting
    if not native:
        raise NoNodeReady("No node is ready to take the download.")
    images = [image for image in await records.images.of_catalog(entry.id) if image.current]
    busy = Counter(job.node_id for job in await records.jobs.live())
    having = {p.node_id for image in images for p in image.placements}

    def merit(node: Node) -> tuple[bool, int, int, str]:
        return node.id not in having, busy[node.id], -node.free_bytes, node.id

    roomy = [n for n in native if n.id in having or has_room(n, entry, architecture)]
    if not roomy:
        needed = min(room_needed(n, entry, architecture) for n in native)
        most = max(n.free_bytes for n in native)
        raise StorageFull(
            f"No ready node has the space for '{entry.id}': about {needed // _MIB} MiB are needed, "
            f"and at most {most // _MIB} MiB are free."
        )
    return min(roomy, key=merit)


async def choose_beside(records: Records, image: Image, needed: int) -> Node:
    """A ready node for the next version: one that holds this one, else any; with ``needed`` bytes free.

    Raises:
        NoNodeReady: no node is ready.
        StorageFull: none of them has the space.
    """
    ready = await _ready_nodes(records)
    holding = {copy.node_id for copy in image.ready_placements}
    candidates = [node for node in ready if node.id in holding] or ready
    return await _roomiest(records, candidates, max(needed, LEAST_ROOM))


async def roomiest_node(records: Records, needed: int) -> Node:
    """The ready node for ``needed`` bytes that come from somewhere else: the least busy, then the emptiest.

    Raises:
        NoNodeReady: no node is ready.
        StorageFull: none of them has the space.
    """
    return await _roomiest(records, await _ready_nodes(records), needed)


async def _ready_nodes(records: Records) -> list[Node]:
    return [n for n in await records.nodes.all() if n.phase is NodePhase.READY]


async def _roomiest(records: Records, ready: list[Node], needed: int) -> Node:
    if not ready:
        raise NoNodeReady("No node is ready to take the image.")
    roomy = [n for n in ready if n.disk_total_bytes == 0 or n.free_bytes >= needed]
    if not roomy:
        most = max(n.free_bytes for n in ready)
        raise StorageFull(
            f"No ready node has the space: {needed // _MIB} MiB are needed, at most {most // _MIB} are free."
        )
    busy = Counter(job.node_id for job in await records.jobs.live())
    return min(roomy, key=lambda node: (busy[node.id], -node.free_bytes, node.id))


async def wished_node(records: Records, *, named: str, pool_id: str, needed: int) -> Node:
    """The node that is named, or whose store is named as a storage pool; without either, the roomiest.

    Raises:
        UnknownNode: there is none.
        InvalidRequest: the two names mean different nodes.
        NoNodeReady, StorageFull: none was named and none fits.
    """
    node = await find_node(records, named) if named else None
    if not pool_id:
        return node or await roomiest_node(records, needed)
    keeper = next((n for n in await records.nodes.all() if n.store_id == pool_id), None)
    if keeper is None:
        raise UnknownNode(f"No node has the storage pool '{printable(pool_id)}'.", field="storage_pool_id")
    if node is not None and node.id != keeper.id:
        raise InvalidRequest(
            f"The storage pool '{printable(pool_id)}' is on {keeper.hostname}, not on {node.hostname}.",
            remedy="Give one of the two.",
            field="storage_pool_id",
        )
    return keeper


def has_room(node: Node, entry: CatalogEntry, architecture: str) -> bool:
    """Whether the variant fits; a size or a disk that is not known is given the chance."""
    return node.disk_total_bytes == 0 or node.free_bytes >= room_needed(node, entry, architecture)


def room_needed(node: Node, entry: CatalogEntry, architecture: str) -> int:
    """Bytes that should be free there; never less than 256 MiB, as the catalog's size is not trusted."""
    variant = entry.variant_for(architecture or architecture_of(node))
    return max(variant.size_bytes if variant else 0, LEAST_ROOM)


def architecture_of(node: Node) -> str:
    """The node's own; a client of the old contract does not say, and those run on x86_64."""
    return node.architecture or "x86_64"


def no_variant(entry: CatalogEntry, architecture: str) -> InvalidRequest:
    available = ", ".join(v.architecture for v in entry.variants)
    return InvalidRequest(
        f"'{entry.id}' has no image for {printable(architecture)}.",
        remedy=f"Available: {available}.",
        field="architecture",
    )
