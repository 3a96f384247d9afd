"""What is left to do of deleted images: the record goes at once, each node's bytes when the node is there.

A tombstone says which nodes still have them, and keeps a node that was away from bringing the image back.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.domain.errors import LibraryError, NodeUnreachable
from image_library.domain.garbage import Tombstone
from image_library.domain.image import Image, ImagePhase, PlacementState
from image_library.domain.node import Node, NodePhase

log = structlog.get_logger()

# Nodes that are spoken to at the same time.
MOST_AT_ONCE = 16


async def bury(records: Records, image: Image, now: datetime) -> Tombstone | None:
    """Take the image's record away, in the caller's transaction; its name points to the next best version.

    The tombstone names the nodes whose bytes no other image shares; None where there never were any bytes.
    """
    await records.images.remove(image.id)
    if image.current:
        await _point_elsewhere(records, image)
    if not image.digest:
        return None
    sharing = await records.images.with_digest(image.digest)
    nodes = {p.node_id for p in image.placements if p.state is not PlacementState.FETCHING}
    own = {n for n in nodes if not any(other.placement_on(n) for other in sharing)}
    before = await records.tombstones.get(image.digest)
    stone = Tombstone(
        digest=image.digest,
        image_id=image.id,
        name=image.name,
        deleted_at=now,
        waiting=before.waiting if before else frozenset(),
        cleared_at=now,
    ).waits_for(*own)
    if stone.waiting or not sharing:
        await records.tombstones.save(stone)
    return stone


async def _point_elsewhere(records: Records, gone: Image) -> None:
    """Let the name point to its newest version that is whole, else to the newest there is."""
    left = await records.images.versions(gone.name, gone.project_id)
    staying = [version for version in left if version.phase is not ImagePhase.DELETING]
    whole = [version for version in staying if version.phase is ImagePhase.READY]
    for version in [*whole, *staying][:1]:
        await records.images.save(version.evolve(current=True))


class Clearing:
    def __init__(self, *, database: Database, gateway: NodeGateway, clock: Clock) -> None:
        self._database = database
        self._gateway = gateway
        self._clock = clock

    async def clear(self, *stones: Tombstone) -> None:
        """Let every node that is there remove what these tombstones (none named: all) still wait for."""
        async with self._database.read() as records:
            waiting = stones or await records.tombstones.waiting()
            nodes = {n.id: n for n in await records.nodes.all()} if waiting else {}
        work: dict[str, list[str]] = {}
        for stone in waiting:
            for node_id in stone.waiting & nodes.keys():
                work.setdefault(node_id, []).append(stone.digest)
        turns = asyncio.Semaphore(MOST_AT_ONCE)
        await asyncio.gather(*(self._clear_node(nodes[n], work[n], turns) for n in sorted(work)))

    async def _clear_node(self, node: Node, digests: list[str], turns: asyncio.Semaphore) -> None:
        if node.phase is not NodePhase.READY:
            return
        async with turns:
            for digest in digests:
                try:
                    await self._remove(node, digest)
                except NodeUnreachable:
                    return
                except LibraryError as error:
                    # It is asked again when it returns, and from time to time.
                    log.warning("copy_not_removed", digest=digest, node_id=node.id, code=error.code)

    async def _remove(self, node: Node, digest: str) -> None:
        if not await self._is_unwanted(node, digest):
            return
        await self._gateway.remove_image(node, digest)
        async with self._database.write() as records:
            stone = await records.tombstones.get(digest)
            if stone is not None:
                await records.tombstones.save(stone.cleared_by(node.id, self._clock.now()))
        log.info("copy_removed", digest=digest, node_id=node.id)

    async def _is_unwanted(self, node: Node, digest: str) -> bool:
        """Whether nobody wants these bytes there again: neither an image nor a job that may bring them."""
        async with self._database.write() as records:
            stone = await records.tombstones.get(digest)
            if stone is None or node.id not in stone.waiting:
                return False
            if any(image.placement_on(node.id) for image in await records.images.with_digest(digest)):
                await records.tombstones.save(stone.cleared_by(node.id, self._clock.now()))
                return False
            return not await _is_coming(records, node, stone)


async def _is_coming(records: Records, node: Node, stone: Tombstone) -> bool:
    """Whether a job is bringing the image there; it finds the bytes, and then they are an image's again."""
    for job in await records.jobs.live():
        if job.node_id == node.id:
            order = await records.jobs.order(job.id)
            if job.image_name == stone.name or (order and stone.digest == f"sha256:{order.digest}"):
                return True
    return False
