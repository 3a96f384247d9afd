"""Taking copies of an image away from nodes that do not need them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.image_usage import live_jobs, told
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import find_node
from image_library.controlplane.services.pools import node_of_pool
from image_library.domain.errors import (
    ImageFileMissing,
    ImageInUse,
    ImageIsLocal,
    ImageProtected,
    InvalidRequest,
    LastCopy,
    LibraryError,
)
from image_library.domain.image import Image, ImagePhase, Placement, PlacementState
from image_library.domain.node import Node

log = structlog.get_logger()
_Change = Callable[[Image], Image]


@dataclass(frozen=True, kw_only=True)
class EvictionWish:
    """``nodes`` are ids or host names, ``pools`` are ids."""

    image: str
    nodes: Sequence[str] = ()
    pools: Sequence[str] = ()
    last_copy_too: bool = False


class Evictions:
    def __init__(
        self, *, database: Database, images: ImageService, gateway: NodeGateway, clock: Clock
    ) -> None:
        self._database = database
        self._images = images
        self._gateway = gateway
        self._clock = clock

    async def evict(self, wish: EvictionWish) -> Image:
        """Remove the copies on the named nodes; a node that has none is no error. The image as it is then.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode, UnknownPool: a name means nothing.
            InvalidRequest: no node is named.
            ImageProtected, ImageInUse, ImageIsLocal, LastCopy: a copy must stay; none was removed.
            NodeUnreachable: a node does not answer; its copy stays.
        """
        async with self._database.write() as records:
            image = await self._images.get_in(records, wish.image)
            nodes = await _having(records, image, wish)
            if not nodes:
                return image
            await _refuse_needed(records, image, nodes, last_copy_too=wish.last_copy_too)
            before = {copy.node_id: copy for copy in image.placements}
            # From here on no VM is built on them.
            hidden = _in_state(image, nodes, PlacementState.UNAVAILABLE)
            await records.images.save(hidden)
            shared = await _shared(records, image, nodes)
        for number, node in enumerate(nodes):
            try:
                if node.id not in shared:
                    await self._gateway.remove_image(node, image.digest)
            except LibraryError:
                # It stays, and so do those that were to go after it.
                await self._restore(image.id, [before[other.id] for other in nodes[number:]])
                raise
            image = await self._removed(image, node)
        return image

    async def _restore(self, image_id: str, copies: Sequence[Placement]) -> None:
        await self._change(image_id, lambda image: _with_copies(image, copies))

    async def _removed(self, image: Image, node: Node) -> Image:
        log.info("copy_evicted", image_id=image.id, node_id=node.id)
        return await self._change(image.id, lambda i: self._without(i, node))

    async def _change(self, image_id: str, change: _Change) -> Image:
        async with self._database.write() as records:
            image = await self._images.get_in(records, image_id)
            image = change(image).evolve(updated_at=self._clock.now())
            await records.images.save(image)
            return image

    def _without(self, image: Image, node: Node) -> Image:
        image = image.evolve(placements=tuple(p for p in image.placements if p.node_id != node.id))
        if image.ready_placements or image.phase is not ImagePhase.READY:
            return image
        missing = ImageFileMissing(f"No node has '{image.name}' any more.")
        return image.evolve(phase=ImagePhase.ERROR, failure=failure_of(missing))


async def _having(records: Records, image: Image, wish: EvictionWish) -> list[Node]:
    """The named nodes that have a copy."""
    if not wish.nodes and not wish.pools:
        raise InvalidRequest("No node is named.", remedy="Name the nodes to evict it from.", field="node_ids")
    named = [await find_node(records, name) for name in wish.nodes]
    named += [await node_of_pool(records, pool) for pool in wish.pools]
    by_id = {node.id: node for node in named}
    return [node for node in by_id.values() if image.placement_on(node.id)]


async def _refuse_needed(
    records: Records, image: Image, nodes: Sequence[Node], *, last_copy_too: bool
) -> None:
    if image.protected:
        raise ImageProtected(f"'{image.title}' is protected.", field="image")
    if image.ready_placements and not image.digest:
        raise ImageIsLocal(f"'{image.title}' is a file that an operator put on a node.", field="image")
    going = {node.id: node for node in nodes}
    users = [vm.name for vm in await records.vms.using(image.id) if vm.node_id in going]
    if users:
        raise ImageInUse(f"There '{image.title}' is used by the VM {told(users)}.", field="node_ids")
    for job in await live_jobs(records, image.id):
        if job.node_id in going:
            cancel = f"Cancel it first: 'limiquantix jobs cancel {job.id}'."
            raise ImageInUse(f"The job {job.id} brings it there right now.", remedy=cancel, field="node_ids")
    if not last_copy_too and not any(p.node_id not in going for p in image.ready_placements):
        raise LastCopy(f"No other node has '{image.title}'.", field="node_ids")


async def _shared(records: Records, image: Image, nodes: Sequence[Node]) -> frozenset[str]:
    """Nodes on which another image is the same file."""
    others = [i for i in await records.images.with_digest(image.digest) if i.id != image.id]
    return frozenset(node.id for node in nodes if any(i.placement_on(node.id) for i in others))


def _with_copies(image: Image, copies: Sequence[Placement]) -> Image:
    for copy in copies:
        image = image.with_placement(copy)
    return image


def _in_state(image: Image, nodes: Sequence[Node], state: PlacementState) -> Image:
    for node in nodes:
        placed = image.placement_on(node.id)
        if placed is not None:
            image = image.with_placement(replace(placed, state=state))
    return image
