"""What the nodes said last, in memory: a thousand of them every ten seconds are no work for a disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from image_library.domain.node import Heartbeat, Node, NodePhase
from image_library.domain.store_health import Degradation

# A change of the space used by more than one in so many parts of the disk is news.
_NEWS = 100


@dataclass(frozen=True)
class Beat:
    said: Heartbeat
    at: datetime


class Beats:
    def __init__(self) -> None:
        self._latest: dict[str, Beat] = {}
        # As it was when it was last written down.
        self._stored: dict[str, Beat] = {}

    def note(self, said: Heartbeat, at: datetime, *, stored: bool = False) -> None:
        self._latest[said.node_id] = beat = Beat(said, at)
        if stored:
            self._stored[said.node_id] = beat

    def remember(self, node: Node) -> None:
        """What the database has of it."""
        said = Heartbeat(
            node_id=node.id,
            running_vm_count=node.running_vm_count,
            disk_total_bytes=node.disk_total_bytes,
            error_message=node.error_message if node.phase is NodePhase.NOT_READY else "",
            degraded=node.degraded,
        )
        if node.last_heartbeat:
            self._stored[node.id] = Beat(said, node.last_heartbeat)

    def forget(self, node_id: str) -> None:
        """The database knows better."""
        self._latest.pop(node_id, None)
        self._stored.pop(node_id, None)

    def turns(self, said: Heartbeat) -> bool:
        """Whether it says something that must be written down at once."""
        known = self._stored.get(said.node_id)
        return known is None or _facts(known.said) != _facts(said)

    def fresh(self, node: Node) -> Node:
        """The node with what it said last; itself where that is stored."""
        beat = self._latest.get(node.id)
        if beat is None or (node.last_heartbeat and node.last_heartbeat >= beat.at):
            return node
        return with_beat(node, beat)

    def are_due(self) -> bool:
        return any(self._stored.get(node_id) is not beat for node_id, beat in self._latest.items())

    def settle(self) -> None:
        """All of it is written down."""
        self._stored = dict(self._latest)


def with_beat(node: Node, beat: Beat) -> Node:
    """What the beat says of space and VMs; the node's phase follows its own rules."""
    said = beat.said
    return node.evolve(
        running_vm_count=said.running_vm_count,
        disk_used_bytes=said.disk_used_bytes,
        disk_total_bytes=said.disk_total_bytes,
        scrub=said.scrub,
        last_heartbeat=beat.at,
        updated_at=beat.at,
    )


def is_news(before: Node, after: Node) -> bool:
    """Whether those who watch the library should hear of it."""
    moved = abs(after.disk_used_bytes - before.disk_used_bytes) * _NEWS > max(1, after.disk_total_bytes)
    return moved or before.running_vm_count != after.running_vm_count


def _facts(said: Heartbeat) -> tuple[int, int, str, Degradation | None]:
    return said.running_vm_count, said.disk_total_bytes, said.error_message, said.degraded
