"""Which node gets a download: the one that was named, or the best of those that are ready."""

from __future__ import annotations

from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.node_room import NodeRoom
from image_library.controlplane.services.pools import node_of_pool
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import InvalidRequest, NoNodeReady, UnknownNode, printable
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

    Space that live jobs will still need is not free.

    Raises:
        NoNodeReady: no node is ready, or none of them is of that architecture.
        StoreDegraded: those that are ready take nothing new.
        StorageFull: no ready node has the space for it.
    """
    answering = await _answering(records)
    fitting = [n for n in answering if entry.variant_for(architecture or architecture_of(n))]
    native = [n for n in fitting if architecture in ("", architecture_of(n))] or fitting
    if not native:
        raise NoNodeReady("No node is ready to take the download.")
    room = await NodeRoom.of(records)
    kept = await _kept(records, entry)
    having = [n for n in native if (n.id, architecture or architecture_of(n)) in kept]
    if having:
        # At worst on a degraded node: nothing new comes to it.
        return min(having, key=lambda node: (not node.takes_images, room.load(node)))
    well = _writable(native)
    needed = {n.id: room_needed(n, entry, architecture) for n in well}
    roomy = [n for n in well if room.fits(n, needed[n.id])]
    if not roomy:
        nobody = f"No ready node has the space for '{entry.id}'"
        raise room.full(nobody, well, min(needed.values()))
    return min(roomy, key=room.load)


async def _kept(records: Records, entry: CatalogEntry) -> frozenset[tuple[str, str]]:
    """Nodes with the architectures of the entry that they have, or that a live job brings them."""
    images = {image.id: image for image in await records.images.of_catalog(entry.id) if image.current}
    there = {(copy.node_id, i.os.architecture) for i in images.values() for copy in i.ready_placements}
    coming = {
        (job.node_id, images[job.image_id].os.architecture)
        for job in await records.jobs.live()
        if job.kind.brings and job.image_id in images
    }
    return frozenset(there | coming)


async def choose_beside(records: Records, image: Image, needed: int) -> Node:
    """A ready node for the next version: one that holds this one, else any; with ``needed`` bytes free.

    Raises:
        NoNodeReady: no node is ready.
        StoreDegraded: those that are ready take nothing new.
        StorageFull: none of them has the space.
    """
    ready = _writable(await _answering(records))
    holding = {copy.node_id for copy in image.ready_placements}
    candidates = [node for node in ready if node.id in holding] or ready
    return await _roomiest(records, candidates, max(needed, LEAST_ROOM))


async def roomiest_node(records: Records, needed: int) -> Node:
    """The ready node for ``needed`` bytes that come from somewhere else: the least busy, then the emptiest.

    Raises:
        NoNodeReady: no node is ready.
        StoreDegraded: those that are ready take nothing new.
        StorageFull: none of them has the space.
    """
    return await _roomiest(records, _writable(await _answering(records)), needed)


def writable(node: Node) -> Node:
    """The node, where new work may be given to it; one that is away keeps it for later.

    Raises:
        StoreDegraded: its store is read and not written.
    """
    if node.degraded is not None:
        raise node.degraded.refusal(node.hostname)
    return node


async def _answering(records: Records) -> list[Node]:
    return [n for n in await records.nodes.all() if n.phase is NodePhase.READY]


def _writable(nodes: list[Node]) -> list[Node]:
    """Those of them whose stores may be written; raises StoreDegraded where all of them may not."""
    well = [node for node in nodes if node.takes_images]
    return well or [writable(node) for node in nodes]


async def _roomiest(records: Records, ready: list[Node], needed: int) -> Node:
    if not ready:
        raise NoNodeReady("No node is ready to take the image.")
    room = await NodeRoom.of(records)
    roomy = [n for n in ready if room.fits(n, needed)]
    if not roomy:
        raise room.full("No ready node has the space", ready, needed)
    return min(roomy, key=room.load)


async def wished_node(records: Records, *, named: str, pool_id: str, needed: int) -> Node:
    """The node that is named, or whose store is named as a storage pool; without either, the roomiest.

    Raises:
        UnknownNode, UnknownPool: there is none.
        InvalidRequest: the two names mean different nodes.
        StoreDegraded: it takes nothing new.
        NoNodeReady, StorageFull: none was named and none fits.
    """
    node = writable(await find_node(records, named)) if named else None
    if not pool_id:
        return node or await roomiest_node(records, needed)
    keeper = writable(await node_of_pool(records, pool_id))
    if node is not None and node.id != keeper.id:
        raise InvalidRequest(
            f"The storage pool '{printable(pool_id)}' is on {keeper.hostname}, not on {node.hostname}.",
            remedy="Give one of the two.",
            field="storage_pool_id",
        )
    return keeper


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
