"""Garbage collection: the control plane's own records, and what every node that answers finds at itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.clearing import MOST_AT_ONCE, bury
from image_library.controlplane.services.image_usage import live_jobs
from image_library.controlplane.services.inventory import InventoryService
from image_library.domain.errors import LibraryError
from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder
from image_library.domain.image import Image, ImagePhase
from image_library.domain.node import Node, NodePhase
from image_library.domain.paging import LARGEST_PAGE_SIZE, PageRequest

log = structlog.get_logger()

FAILED_DAYS = 7
TOMBSTONE_DAYS = 30
REMOVAL_DAYS = 30


@dataclass
class GarbageReport:
    """What went, or would go; and a sentence for each node that could not be looked at."""

    items: list[GarbageItem] = field(default_factory=list[GarbageItem])
    errors: list[str] = field(default_factory=list[str])

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)


class Garbage:
    def __init__(
        self, *, database: Database, gateway: NodeGateway, inventory: InventoryService, clock: Clock
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._inventory = inventory
        self._clock = clock

    async def run(self, every_hours: int) -> None:
        """Remove, at these intervals, what is safe to remove unasked; runs until it is cancelled."""
        while every_hours:
            await self._clock.sleep(every_hours * 3600.0)
            try:
                report = await self.collect(unasked=True)
            except LibraryError as error:
                log.warning("garbage_not_collected", code=error.code)
            else:
                log.info("garbage_collected", items=len(report.items), bytes=report.bytes)

    async def collect(self, *, dry_run: bool = False, unasked: bool = False) -> GarbageReport:
        """Remove what nothing needs (``dry_run``: only say what that is).

        ``unasked`` leaves blobs and leftovers of VMs alone: somebody should have looked at the list first.
        """
        report = GarbageReport()
        async with self._database.write() as records:
            report.items += await self._records(records, dry_run=dry_run)
            report.items += await self._tombstones(records, dry_run=dry_run)
            report.items += await self._removals(records, dry_run=dry_run)
            nodes = await records.nodes.all()
        turns = asyncio.Semaphore(MOST_AT_ONCE)
        order = GarbageOrder(dry_run=dry_run, complete=not unasked)
        await asyncio.gather(*(self._node(node, order, report, turns=turns) for node in nodes))
        return report

    async def _records(self, records: Records, *, dry_run: bool) -> list[GarbageItem]:
        """Records of images that failed long ago, before there was one copy of them."""
        wanted = ImageFilter(
            phases=frozenset({ImagePhase.ERROR}),
            protected=False,
            in_use=False,
            all_versions=True,
            hidden_too=True,
        )
        found = await records.images.list(wanted, PageRequest(size=LARGEST_PAGE_SIZE))
        items: list[GarbageItem] = []
        for image in found.items:
            if not self._is_dead(image) or await live_jobs(records, image.id):
                continue
            why = f"It failed more than {FAILED_DAYS} days ago, and there never was a copy of it."
            items.append(GarbageItem(kind=GarbageKind.RECORD, name=image.title, reason=why))
            if not dry_run:
                await bury(records, image, self._clock.now())
        return items

    def _is_dead(self, image: Image) -> bool:
        # One whose bytes are known can be fetched again as what it is.
        never = not image.placements and not image.digest
        return never and image.updated_at < self._clock.now() - timedelta(days=FAILED_DAYS)

    async def _tombstones(self, records: Records, *, dry_run: bool) -> list[GarbageItem]:
        old = await records.tombstones.expired(self._clock.now() - timedelta(days=TOMBSTONE_DAYS))
        why = f"The last node removed the image more than {TOMBSTONE_DAYS} days ago."
        for stone in () if dry_run else old:
            await records.tombstones.lift(stone.digest)
        return [GarbageItem(kind=GarbageKind.TOMBSTONE, name=stone.name, reason=why) for stone in old]

    async def _removals(self, records: Records, *, dry_run: bool) -> list[GarbageItem]:
        before = self._clock.now() - timedelta(days=REMOVAL_DAYS)
        count, highest = await records.changes.removals_before(before)
        if not count:
            return []
        if not dry_run:
            await records.changes.forget_removals(highest)
        why = f"Whoever follows the library has heard of it for {REMOVAL_DAYS} days."
        return [GarbageItem(kind=GarbageKind.REMOVAL, name=f"{count} notes of removals", reason=why)]

    async def _node(
        self, node: Node, order: GarbageOrder, report: GarbageReport, *, turns: asyncio.Semaphore
    ) -> None:
        if node.phase is not NodePhase.READY:
            report.errors.append(f"{node.hostname} is away; it was not looked at.")
            return
        async with turns:
            try:
                report.items += await self._asked(node, order)
            except LibraryError as error:
                report.errors.append(f"{node.hostname}: {error.message}")

    async def _asked(self, node: Node, order: GarbageOrder) -> tuple[GarbageItem, ...]:
        known: frozenset[str] = frozenset()
        if order.complete:
            # What it has that we do not know becomes known, or is known to be unwanted.
            await self._inventory.scan(node.id)
            async with self._database.read() as records:
                known = frozenset(i.digest for i in await records.images.on_node(node.id) if i.digest)
                # What a job brings may be there already, as bytes that no image is yet.
                busy = any(job.node_id == node.id for job in await records.jobs.live())
            order = replace(order, known=known, complete=not busy)
        return await self._gateway.collect_garbage(node, order)
