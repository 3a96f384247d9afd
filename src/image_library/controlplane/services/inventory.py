"""Meeting of minds about what is on a node: its report against our records, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.download_runs import ANY_NODE
from image_library.controlplane.services.local_images import (
    checked,
    local_image,
    refreshed,
    seen_again,
)
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.changes import Changes
from image_library.domain.errors import ImageFileMissing, LibraryError, NotImplementedYet, printable
from image_library.domain.image import Image, ImagePhase, Placement, PlacementState
from image_library.domain.inventory import Inventory, ReportedImage
from image_library.domain.node import Node, NodePhase

log = structlog.get_logger()

MOST_ERRORS = 100


@dataclass
class ScanResult:
    """How many images were new and how many were known, and one sentence for each that could not be used."""

    registered: int = 0
    existing: int = 0
    # Images that were deleted while their node was away.
    buried: int = 0
    errors: list[str] = field(default_factory=list[str])

    def add(self, other: ScanResult) -> None:
        self.registered += other.registered
        self.existing += other.existing
        self.errors += other.errors


class InventoryService:
    def __init__(
        self, *, database: Database, gateway: NodeGateway, changes: Changes, clock: Clock, new_id: NewId
    ) -> None:
        self._changes = changes
        self._database = database
        self._gateway = gateway
        self._clock = clock
        self._new_id = new_id

    async def scan(self, named: str = "") -> ScanResult:
        """Let one node (by id or host name), or every ready node, look now, and reconcile what it says.

        A node that cannot do it is one sentence in the result.

        Raises:
            UnknownNode: there is no such node.
            NodeUnreachable: the named node does not answer.
        """
        async with self._database.read() as records:
            asked = [await find_node(records, named)] if named else await _ready_nodes(records)
        result = ScanResult()
        for node in asked:
            try:
                result.add(await self.reconcile(await self._asked(node)))
            except LibraryError as error:
                # A node of the old contract reports by itself and cannot be asked.
                if named and not isinstance(error, NotImplementedYet):
                    raise
                result.errors.append(f"{node.hostname}: {error}")
        return result

    async def _asked(self, node: Node) -> Inventory:
        # A node speaks for itself only, whatever id its answer carries.
        said = await self._gateway.scan(node)
        return Inventory(
            node_id=node.id,
            store_id=said.store_id,
            images=said.images,
            errors=said.errors,
            complete=said.complete,
        )

    async def reconcile(self, inventory: Inventory) -> ScanResult:
        """Record what a node says it has; what a complete report leaves out is unavailable there.

        One bad entry is one sentence in the result, never a failed scan.

        Raises:
            UnknownNode: the node has not registered.
        """
        result = ScanResult(errors=[printable(e, 500) for e in inventory.errors])
        async with self._database.write() as records:
            node = await find_node(records, inventory.node_id)
            seen: set[str] = set()
            for entry in inventory.images:
                seen |= await self._take(records, node, entry, result)
            if inventory.complete:
                await self._miss(records, node, inventory.store_id, seen=seen, result=result)
        if result.buried:
            self._changes.notify(ANY_NODE)
        result.errors = result.errors[:MOST_ERRORS]
        log.info("inventory_reconciled", node_id=node.id, new=result.registered, known=result.existing)
        return result

    async def _take(self, records: Records, node: Node, entry: ReportedImage, result: ScanResult) -> set[str]:
        """Record one entry; the ids of the images that it proves to be there."""
        try:
            said = checked(entry)
            known = await self._known(records, node, said)
            if known:
                result.existing += 1
                return {i.id for i in known}
            arriving = await _arriving(records, node, said)
            if arriving or await _is_buried(records, node, said, result):
                return arriving
            image = await local_image(records, node, said, now=self._clock.now(), image_id=self._new_id())
            await records.images.save(image)
        except LibraryError as error:
            result.errors.append(f"{printable(entry.filename or entry.path)}: {error.message}")
            return set()
        result.registered += 1
        return {image.id}

    async def _known(self, records: Records, node: Node, entry: ReportedImage) -> list[Image]:
        """The images that this entry is, with their copies there marked ready again."""
        now = self._clock.now()
        if entry.checksum:
            found = [
                seen_again(i, node, entry, now) for i in await records.images.with_digest(entry.checksum)
            ]
        else:
            there = await records.images.at_path(entry.path, node.id)
            found = [refreshed(i, node, entry, now) for i in there if not i.digest and not i.catalog_id]
        for image in found:
            await records.images.save(image)
        return found

    async def _miss(
        self, records: Records, node: Node, store_id: str, *, seen: set[str], result: ScanResult
    ) -> None:
        """Mark what is gone; but nothing is gone because another store was looked into."""
        if node.store_id and store_id and store_id != node.store_id:
            result.errors.append(
                f"{node.hostname} has another store than before; nothing of the old one is given up."
            )
            return
        for image in await records.images.on_node(node.id):
            placed = image.placement_on(node.id)
            if image.id not in seen and placed and placed.state is PlacementState.READY:
                await records.images.save(self._gone(image, node))

    def _gone(self, image: Image, node: Node) -> Image:
        placed = image.placement_on(node.id)
        assert placed is not None
        now = self._clock.now()
        image = image.with_placement(_unavailable(placed)).evolve(updated_at=now)
        log.warning("image_gone_from_node", image_id=image.id, node_id=node.id)
        if image.ready_placements or image.phase is not ImagePhase.READY:
            return image
        missing = ImageFileMissing(f"No node has '{image.name}' any more.")
        return image.evolve(phase=ImagePhase.ERROR, failure=failure_of(missing))


def _unavailable(placement: Placement) -> Placement:
    return replace(placement, state=PlacementState.UNAVAILABLE)


async def _ready_nodes(records: Records) -> list[Node]:
    return [n for n in await records.nodes.all() if n.phase is NodePhase.READY]


async def _arriving(records: Records, node: Node, entry: ReportedImage) -> set[str]:
    """The image, if this is a job of ours that the node has published and is about to report as done."""
    for job in await records.jobs.live():
        order = await records.jobs.order(job.id) if job.node_id == node.id else None
        if order and entry.checksum and order.filename == entry.filename:
            return {job.image_id}
    return set()


async def _is_buried(records: Records, node: Node, entry: ReportedImage, result: ScanResult) -> bool:
    """Whether its image was deleted while the node was away; then the node is told to remove it."""
    stone = await records.tombstones.get(entry.checksum) if entry.checksum else None
    if stone is not None:
        await records.tombstones.save(stone.waits_for(node.id))
        result.buried += 1
    return stone is not None
