"""Nodes behind the control plane's gateway port, with their journals in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from image_library.domain.changes import Changes
from image_library.domain.errors import LibraryError, NodeUnreachable
from image_library.domain.garbage import GarbageItem, GarbageOrder
from image_library.domain.inventory import Inventory
from image_library.domain.job import JobState
from image_library.domain.node import Node
from image_library.domain.store import Download, DownloadOrder


@dataclass
class FakeNodes:
    """Fulfils ``NodeGateway``: a test says what the nodes do, and reads what they were asked."""

    away: set[str] = field(default_factory=set[str])
    journal: dict[str, Download] = field(default_factory=dict[str, Download])
    inventories: dict[str, Inventory] = field(default_factory=dict[str, Inventory])
    identities: dict[str, str] = field(default_factory=dict[str, str])
    refusal: LibraryError | None = None
    cancel_refusal: LibraryError | None = None
    cancelled: list[str] = field(default_factory=list[str])
    removed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    remove_refusal: LibraryError | None = None
    # What each node finds at itself, and what it was told of what is known there.
    garbage: dict[str, tuple[GarbageItem, ...]] = field(default_factory=dict[str, tuple[GarbageItem, ...]])
    garbage_orders: list[GarbageOrder] = field(default_factory=list[GarbageOrder])
    resumed: list[str] = field(default_factory=list[str])
    resume_refusal: LibraryError | None = None
    streams_begun: int = 0
    _changes: Changes = field(default_factory=Changes)

    def say(self, job_id: str, **changes: object) -> None:
        """Let the node that has this job report it so."""
        self.journal[job_id] = replace(self.journal[job_id], **changes)  # pyright: ignore[reportArgumentType]
        self._changes.notify(job_id)

    def go_away(self, node_id: str) -> None:
        self.away.add(node_id)
        for job_id in self.journal:
            self._changes.notify(job_id)

    async def identify(self, endpoint: str) -> str:
        if endpoint not in self.identities:
            raise NodeUnreachable(f"Nobody at {endpoint}.")
        return self.identities[endpoint]

    async def download(self, node: Node, order: DownloadOrder) -> AsyncGenerator[Download]:
        self._reach(node)
        if self.refusal is not None:
            raise self.refusal
        self.streams_begun += 1
        self.journal.setdefault(order.job_id, Download(order=order))
        with self._changes.follow(order.job_id) as changed:
            while True:
                self._reach(node)
                download = self.journal[order.job_id]
                yield download
                if download.state.ended:
                    return
                await changed.wait()

    async def cancel_download(self, node: Node, job_id: str) -> None:
        self._reach(node)
        self.cancelled.append(job_id)
        if self.cancel_refusal is not None:
            raise self.cancel_refusal
        if job_id in self.journal and not self.journal[job_id].state.ended:
            self.say(job_id, state=JobState.CANCELLED)

    async def resume_store(self, node: Node) -> None:
        self._reach(node)
        if self.resume_refusal is not None:
            raise self.resume_refusal
        self.resumed.append(node.id)

    async def scan(self, node: Node) -> Inventory:
        self._reach(node)
        if self.refusal is not None:
            raise self.refusal
        return self.inventories[node.id]

    async def remove_image(self, node: Node, digest: str) -> None:
        self._reach(node)
        if self.remove_refusal is not None:
            raise self.remove_refusal
        self.removed.append((node.id, digest))

    async def collect_garbage(self, node: Node, order: GarbageOrder) -> tuple[GarbageItem, ...]:
        self._reach(node)
        self.garbage_orders.append(order)
        return self.garbage.get(node.id, ())

    def _reach(self, node: Node) -> None:
        if node.id in self.away:
            raise NodeUnreachable(f"Node {node.hostname} does not answer.")
