"""Meeting of minds about what is on a node: its report against our records.

Reports that come at the same time share transactions, and a long one is taken in slices: nobody waits long.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_runs import ANY_NODE
from image_library.controlplane.services.free_names import FreeNames
from image_library.controlplane.services.inventory_round import InventoryRound, Part, ScanResult
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.changes import Changes
from image_library.domain.errors import InvalidRequest, LibraryError, NotImplementedYet, printable
from image_library.domain.inventory import Inventory
from image_library.domain.node import Node, NodePhase

log = structlog.get_logger()

# The key under which ``Changes`` tells that damaged copies became known.
DAMAGED = "copies-damaged:"
MOST_ERRORS = 100
# Entries of one report, and of all reports, in one transaction.
MOST_OF_ONE = 1_000
MOST_IN_ALL = 2_000
_LONGEST_EPOCH = 64


@dataclass(eq=False)
class _Report:
    """A report on its way."""

    inventory: Inventory
    taken: int = 0
    seen: set[str] = field(default_factory=set[str])
    result: ScanResult = field(default_factory=ScanResult)
    ended: bool = False

    def part(self) -> Part:
        entries = self.inventory.images[self.taken : self.taken + MOST_OF_ONE]
        return Part(
            inventory=self.inventory,
            entries=entries,
            seen=frozenset(self.seen),
            last=self.taken + len(entries) == len(self.inventory.images),
            most_gone=MOST_OF_ONE,
        )

    def note(self, part: Part) -> None:
        """What the round's commit has made true."""
        self.taken += len(part.entries)
        self.seen |= part.proved
        self.result.add(part.result)
        self.ended = part.ended


class InventoryService:
    def __init__(
        self, *, database: Database, gateway: NodeGateway, changes: Changes, clock: Clock, new_id: NewId
    ) -> None:
        self._changes = changes
        self._database = database
        self._gateway = gateway
        self._clock = clock
        self._new_id = new_id
        self._names = FreeNames()
        self._found: frozenset[str] = frozenset()
        # In the order of their arrival.
        self._waiting: dict[_Report, None] = {}
        self._turn = asyncio.Lock()

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
        return replace(await self._gateway.scan(node), node_id=node.id)

    async def reconcile(self, inventory: Inventory) -> ScanResult:
        """Record what a node says it has; what a complete report leaves out is unavailable there.

        A report that is not newer than what was reconciled of its epoch changes nothing. One bad entry is one
        sentence in the result, never a failed scan.

        Raises:
            UnknownNode: the node has not registered.
        """
        async with self._database.read() as records:
            node = await find_node(records, inventory.node_id)
        report = _Report(replace(_checked(inventory), node_id=node.id))
        report.result.errors += [printable(e, 500) for e in inventory.errors]
        self._waiting[report] = None
        try:
            while not report.ended:
                async with self._turn:
                    if not report.ended:
                        await self._round(report)
        finally:
            del self._waiting[report]
        result = report.result
        if result.buried:
            self._changes.notify(ANY_NODE)
        if result.damaged:
            self._changes.notify(DAMAGED)
        result.errors = result.errors[:MOST_ERRORS]
        log.info("inventory_reconciled", node_id=node.id, new=result.registered, known=result.existing)
        return result

    async def _round(self, mine: _Report) -> None:
        """Take a slice of each report that waits. Somebody else's trouble must not become ours."""
        chosen = self._chosen(mine)
        try:
            await self._transact(chosen)
        except LibraryError:
            first = next(r for r in self._waiting if r.inventory.node_id == mine.inventory.node_id)
            if len(chosen) == 1:
                raise
            await self._transact([first])

    def _chosen(self, mine: _Report) -> list[_Report]:
        """At most one of each node, ours first, and no more than one transaction bears."""
        chosen: dict[str, _Report] = {}
        entries = 0
        own = mine.inventory.node_id
        for report in sorted(self._waiting, key=lambda r: r.inventory.node_id != own):
            if report.ended or report.inventory.node_id in chosen:
                continue
            size = min(MOST_OF_ONE, len(report.inventory.images) - report.taken)
            if chosen and entries + size > MOST_IN_ALL:
                continue
            chosen[report.inventory.node_id] = report
            entries += size
        return list(chosen.values())

    async def _transact(self, reports: list[_Report]) -> None:
        parts = {report: report.part() for report in reports}
        async with self._database.write() as records:
            for report, part in parts.items():
                part.node = await find_node(records, report.inventory.node_id)
                part.ended = part.node.has_heard(part.inventory.epoch, part.inventory.sequence)
            fresh = [part for part in parts.values() if not part.ended]
            one = InventoryRound(
                records,
                names=self._names,
                found=self._found,
                now=self._clock.now(),
                new_id=self._new_id,
            )
            await one.reconcile(fresh)
        if one.newly_found:
            self._found |= one.newly_found
        for report, part in parts.items():
            report.note(part)


def _checked(inventory: Inventory) -> Inventory:
    if len(inventory.epoch) > _LONGEST_EPOCH or not inventory.epoch.isprintable():
        raise InvalidRequest("The inventory's epoch is not a short printable word.", field="epoch")
    return inventory


async def _ready_nodes(records: Records) -> list[Node]:
    return [n for n in await records.nodes.all() if n.phase is NodePhase.READY]
