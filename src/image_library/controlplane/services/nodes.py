"""The nodes: who they are, and who of them is there. Presence is measured, never believed from a date."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vm_reports import VmReportSink
from image_library.controlplane.services.beats import Beat, Beats, is_news, with_beat
from image_library.controlplane.services.download_runs import ANY_NODE, node_key
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.changes import Changes
from image_library.domain.errors import InvalidRequest, LibraryError, NodeDuplicate, printable
from image_library.domain.node import Heartbeat, Node, NodePhase, Registration
from image_library.domain.paging import Page, PageRequest

log = structlog.get_logger()

# A node that misses this many beats in a row is away.
MOST_MISSED_BEATS = 3
# What nodes say that changes nothing is written down so often.
SECONDS_BETWEEN_STORES = 30.0
OTHER_STORE = (
    "Its store is another one than before; nothing of the old one is given up. "
    "Mount the old one, or start the node once with --accept-store."
)
_LONGEST_TEXT = 253
# A name, an IPv4 address, or an IPv6 address in brackets; gRPC would take schemes and sockets as well.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?\]")


@dataclass(frozen=True, kw_only=True)
class BeatAnswer:
    """What a node is told that was heard: whether it shall report all that it has."""

    inventory_wanted: bool


class NodeService:
    def __init__(
        self,
        *,
        database: Database,
        gateway: NodeGateway,
        vm_reports: VmReportSink,
        changes: Changes,
        clock: Clock,
        new_id: NewId,
        heartbeat_seconds: int,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._vm_reports = vm_reports
        self._changes = changes
        self._clock = clock
        self._new_id = new_id
        self.heartbeat_seconds = heartbeat_seconds
        # When each was heard last; nodes that are not in it have to return.
        self._heard: dict[str, float] = {}
        # Marked as away, or about to be.
        self._away: set[str] = set()
        # Those that report their inventory without being asked for it, or were asked already.
        self._reporting: set[str] = set()
        self._beats = Beats()

    async def register(self, registration: Registration) -> Node:
        """The node's record, READY. The same id is the same node; without one, the same name and endpoint.

        Raises:
            InvalidRequest: the host name or the endpoint cannot be right.
            NodeDuplicate: another running node answers with this id.
        """
        said = _checked(registration)
        known = await self._known(said)
        if known and known.agent_endpoint != said.agent_endpoint:
            await self._refuse_twin(known)
        async with self._database.write() as records:
            node = self._merged(await self._stored(records, known), said)
            await records.nodes.save(node)
            self._away.discard(node.id)
        self._reporting.add(node.id)
        self._beats.forget(node.id)
        self._beats.remember(node)
        self._heard[node.id] = self._clock.monotonic()
        self._here(node.id)
        log.info("node_registered", node_id=node.id, hostname=node.hostname, endpoint=node.agent_endpoint)
        return node

    async def _known(self, said: Registration) -> Node | None:
        async with self._database.read() as records:
            if said.node_id:
                return await records.nodes.get(said.node_id)
            same_host = await records.nodes.with_hostname(said.hostname)
        return next((n for n in same_host if n.agent_endpoint == said.agent_endpoint), None)

    async def _refuse_twin(self, known: Node) -> None:
        """A node that came back on another port is welcome; a second one with a copied identity is not."""
        try:
            answering = await self._gateway.identify(known.agent_endpoint)
        except LibraryError:
            return
        if answering == known.id:
            raise NodeDuplicate(
                f"The node {known.id} is running already, at {known.agent_endpoint}.", field="node_id"
            )

    async def _stored(self, records: Records, known: Node | None) -> Node | None:
        return await records.nodes.get(known.id) if known else None

    def _merged(self, known: Node | None, said: Registration) -> Node:
        now = self._clock.now()
        before = known or Node(id=said.node_id or self._new_id(), hostname="", created_at=now, updated_at=now)
        kept = before.store_id if before.store_id not in ("", *said.replaces_store_ids) else said.store_id
        problem = OTHER_STORE if said.store_id and kept != said.store_id else ""
        return before.evolve(
            hostname=said.hostname,
            management_ip=said.management_ip,
            labels=dict(said.labels),
            agent_endpoint=said.agent_endpoint,
            architecture=said.architecture,
            accelerator=said.accelerator,
            capabilities=said.capabilities,
            version=said.version,
            store_id=kept,
            phase=_phase(problem),
            error_message=problem,
            last_heartbeat=now,
            updated_at=now,
        )

    async def beat(self, heartbeat: Heartbeat) -> BeatAnswer | None:
        """Note that a node is there and what it says of itself; None: it must register first.

        What only moves, such as the space that is used, is kept in memory until ``store_beats``.
        """
        heartbeat = replace(heartbeat, error_message=printable(heartbeat.error_message, 500))
        node_id = heartbeat.node_id
        returned = node_id not in self._heard or node_id in self._away
        if returned or self._beats.turns(heartbeat):
            if not await self._store(heartbeat):
                return None
        else:
            self._beats.note(heartbeat, self._clock.now())
        self._heard[node_id] = self._clock.monotonic()
        await self._vm_reports.record(node_id, heartbeat.vms, complete=heartbeat.vms_complete)
        wanted = node_id not in self._reporting
        self._reporting.add(node_id)
        return BeatAnswer(inventory_wanted=wanted)

    async def _store(self, heartbeat: Heartbeat) -> bool:
        """Write down what it says; whether the node is known."""
        async with self._database.write() as records:
            before = await records.nodes.get(heartbeat.node_id)
            if before is None:
                return False
            now = self._clock.now()
            problem = heartbeat.error_message or (OTHER_STORE if before.error_message == OTHER_STORE else "")
            node = with_beat(before, Beat(heartbeat, now)).evolve(
                phase=_phase(problem), error_message=problem, degraded=heartbeat.degraded
            )
            await records.nodes.save(node)
            self._away.discard(node.id)
        self._beats.note(heartbeat, now, stored=True)
        if problem and problem != before.error_message:
            log.warning("node_has_trouble", node_id=node.id, said=problem)
        if heartbeat.degraded is not None and before.degraded is None:
            log.warning("node_degraded", node_id=node.id, said=heartbeat.degraded.words)
        if node.takes_images and not before.takes_images:
            self._here(node.id)
            log.info("node_returned", node_id=node.id)
        return True

    async def store_beats(self) -> None:
        """Write down what the nodes have said since the last time; watchers hear of what changed much."""
        if not self._beats.are_due():
            return
        async with self._database.write() as records:
            told: list[Node] = []
            for node in await records.nodes.all():
                fresh = self._beats.fresh(node)
                if is_news(node, fresh):
                    await records.nodes.save(fresh)
                elif fresh is not node:
                    told.append(fresh)
            await records.nodes.keep(told)
            self._beats.settle()

    def _here(self, node_id: str) -> None:
        self._changes.notify(node_key(node_id))
        self._changes.notify(ANY_NODE)

    async def get(self, named: str) -> Node:
        """The node with this id or host name.

        Raises:
            UnknownNode: there is none.
        """
        async with self._database.read() as records:
            return self._beats.fresh(await find_node(records, named))

    async def resume(self, named: str) -> Node:
        """Let the node write to its store again, because an operator says that the disk below it is well.

        Raises:
            UnknownNode, NodeUnreachable, and what the node's disk answers to a try.
        """
        node = await self.get(named)
        await self._gateway.resume_store(node)
        async with self._database.write() as records:
            node = (await find_node(records, node.id)).evolve(degraded=None, updated_at=self._clock.now())
            await records.nodes.save(node)
        # What its next heartbeat says is compared with this.
        self._beats.forget(node.id)
        self._beats.remember(node)
        self._here(node.id)
        log.info("node_resumed", node_id=node.id)
        return node

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Node]:
        """Newest first."""
        async with self._database.read() as records:
            found = await records.nodes.list(matching, page)
        return replace(found, items=tuple(self._beats.fresh(node) for node in found.items))

    async def image_counts(self, nodes: Collection[Node]) -> Mapping[str, int]:
        """How many images can be used on each of them, by its id."""
        async with self._database.read() as records:
            return await records.copies.counts({node.id for node in nodes})

    async def watch(self) -> None:
        """Mark nodes OFFLINE that have missed three beats, and store what all say; until it is cancelled."""
        await self._give_everybody_a_chance()
        stored = self._clock.monotonic()
        while True:
            await self._clock.sleep(self.heartbeat_seconds / 2)
            try:
                await self.mark_silent()
                if self._clock.monotonic() - stored >= SECONDS_BETWEEN_STORES:
                    stored = self._clock.monotonic()
                    await self.store_beats()
            except LibraryError as error:
                log.warning("node_watch_failed", code=error.code)

    async def mark_silent(self) -> None:
        """Mark those OFFLINE that have been silent for too long."""
        limit = self._clock.monotonic() - MOST_MISSED_BEATS * self.heartbeat_seconds
        silent = [node_id for node_id, heard in self._heard.items() if heard < limit]
        if not silent:
            return
        try:
            async with self._database.write() as records:
                for node_id in silent:
                    # A beat may have come in while the database was busy.
                    if self._heard[node_id] < limit:
                        # Its next beat is a return, even if that comes before this is committed.
                        self._away.add(node_id)
                        await self._mark_away(records, node_id)
        except BaseException:
            self._away.difference_update(silent)
            raise
        for node_id in self._away.intersection(silent):
            del self._heard[node_id]
            self._reporting.discard(node_id)
            self._beats.forget(node_id)
            self._changes.notify(node_key(node_id))

    async def _mark_away(self, records: Records, node_id: str) -> None:
        node = await records.nodes.get(node_id)
        if node and node.phase is not NodePhase.OFFLINE:
            gone = self._beats.fresh(node).evolve(phase=NodePhase.OFFLINE, updated_at=self._clock.now())
            await records.nodes.save(gone)
            log.warning("node_offline", node_id=node_id, hostname=node.hostname)

    async def _give_everybody_a_chance(self) -> None:
        """After our own start nobody has been heard yet; each has its three beats from now on."""
        async with self._database.read() as records:
            for node in await records.nodes.all():
                if node.phase is not NodePhase.OFFLINE and node.id not in self._heard:
                    self._heard[node.id] = self._clock.monotonic()
                    self._beats.remember(node)


def _phase(problem: str) -> NodePhase:
    return NodePhase.NOT_READY if problem else NodePhase.READY


def _checked(said: Registration) -> Registration:
    if not said.hostname or len(said.hostname) > _LONGEST_TEXT or not said.hostname.isprintable():
        raise InvalidRequest(f"'{printable(said.hostname)}' is not a host name.", field="hostname")
    host, _, port = said.agent_endpoint.rpartition(":")
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise InvalidRequest(f"'{printable(said.agent_endpoint)}' is not HOST:PORT.", field="agent_endpoint")
    if len(said.node_id) > _LONGEST_TEXT or not said.node_id.isprintable():
        raise InvalidRequest("The node's id is not printable text.", field="node_id")
    return said
