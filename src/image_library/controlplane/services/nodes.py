"""The nodes: who they are, and who of them is there. Presence is measured, never believed from a date."""

from __future__ import annotations

import re

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.node_gateway import NodeGateway
from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vm_reports import VmReportSink
from image_library.controlplane.services.download_runs import ANY_NODE, node_key
from image_library.controlplane.services.node_choice import find_node
from image_library.domain.changes import Changes
from image_library.domain.errors import InvalidRequest, LibraryError, NodeDuplicate, printable
from image_library.domain.node import Heartbeat, Node, NodePhase, Registration
from image_library.domain.paging import Page, PageRequest

log = structlog.get_logger()

# A node that misses this many beats in a row is away.
MOST_MISSED_BEATS = 3
_LONGEST_TEXT = 253
# A name, an IPv4 address, or an IPv6 address in brackets; gRPC would take schemes and sockets as well.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?\]")


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
        self._heard: dict[str, float] = {}

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
        kept_store = known.store_id if known and known.store_id else said.store_id
        swapped = bool(said.store_id) and kept_store != said.store_id
        return Node(
            id=known.id if known else said.node_id or self._new_id(),
            hostname=said.hostname,
            management_ip=said.management_ip,
            labels=dict(said.labels),
            agent_endpoint=said.agent_endpoint,
            architecture=said.architecture,
            accelerator=said.accelerator,
            version=said.version,
            store_id=kept_store,
            phase=NodePhase.READY,
            error_message="Its store is another one than before." if swapped else "",
            running_vm_count=known.running_vm_count if known else 0,
            disk_used_bytes=known.disk_used_bytes if known else 0,
            disk_total_bytes=known.disk_total_bytes if known else 0,
            last_heartbeat=now,
            created_at=known.created_at if known else now,
            updated_at=now,
        )

    async def beat(self, heartbeat: Heartbeat) -> bool:
        """Note that a node is there and what it says of itself; False: it must register first."""
        async with self._database.write() as records:
            node = await records.nodes.get(heartbeat.node_id)
            if node is None:
                return False
            now = self._clock.now()
            returned = node.phase is not NodePhase.READY
            node = node.evolve(
                phase=NodePhase.READY,
                running_vm_count=heartbeat.running_vm_count,
                disk_used_bytes=heartbeat.disk_used_bytes,
                disk_total_bytes=heartbeat.disk_total_bytes,
                last_heartbeat=now,
                updated_at=now,
            )
            await records.nodes.save(node)
        self._heard[node.id] = self._clock.monotonic()
        if returned:
            self._here(node.id)
            log.info("node_returned", node_id=node.id)
        await self._vm_reports.record(node.id, heartbeat.vms, complete=heartbeat.vms_complete)
        return True

    def _here(self, node_id: str) -> None:
        self._heard[node_id] = self._clock.monotonic()
        self._changes.notify(node_key(node_id))
        self._changes.notify(ANY_NODE)

    async def get(self, named: str) -> Node:
        """The node with this id or host name.

        Raises:
            UnknownNode: there is none.
        """
        async with self._database.read() as records:
            return await find_node(records, named)

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Node]:
        """Newest first."""
        async with self._database.read() as records:
            return await records.nodes.list(matching, page)

    async def watch(self) -> None:
        """Mark nodes OFFLINE that have missed three beats; runs until it is cancelled."""
        await self._give_everybody_a_chance()
        while True:
            await self._clock.sleep(self.heartbeat_seconds / 2)
            try:
                await self.mark_silent()
            except LibraryError as error:
                log.warning("node_watch_failed", code=error.code)

    async def mark_silent(self) -> None:
        """Mark those OFFLINE that have been silent for too long."""
        limit = self._clock.monotonic() - MOST_MISSED_BEATS * self.heartbeat_seconds
        silent = [node_id for node_id, heard in self._heard.items() if heard < limit]
        if not silent:
            return
        async with self._database.write() as records:
            for node_id in silent:
                node = await records.nodes.get(node_id)
                # A beat may have come in while the database was busy.
                if node and node.phase is NodePhase.READY and self._heard[node_id] < limit:
                    away = node.evolve(phase=NodePhase.OFFLINE, updated_at=self._clock.now())
                    await records.nodes.save(away)
                    log.warning("node_offline", node_id=node_id, hostname=node.hostname)
        for node_id in silent:
            if self._heard[node_id] < limit:
                del self._heard[node_id]
                self._changes.notify(node_key(node_id))

    async def _give_everybody_a_chance(self) -> None:
        """After our own start nobody has been heard yet; each has its three beats from now on."""
        async with self._database.read() as records:
            for node in await records.nodes.all():
                self._heard.setdefault(node.id, self._clock.monotonic())


def _checked(said: Registration) -> Registration:
    if not said.hostname or len(said.hostname) > _LONGEST_TEXT or not said.hostname.isprintable():
        raise InvalidRequest(f"'{printable(said.hostname)}' is not a host name.", field="hostname")
    host, _, port = said.agent_endpoint.rpartition(":")
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise InvalidRequest(f"'{printable(said.agent_endpoint)}' is not HOST:PORT.", field="agent_endpoint")
    if len(said.node_id) > _LONGEST_TEXT or not said.node_id.isprintable():
        raise InvalidRequest("The node's id is not printable text.", field="node_id")
    return said
