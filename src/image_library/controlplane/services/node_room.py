"""How busy nodes are and what space they have, with what their live jobs will still write taken off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from image_library.controlplane.ports.records import Records
from image_library.domain.errors import StorageFull
from image_library.domain.job import Job
from image_library.domain.node import Node

_MIB = 1024**2


class NodeRoom:
    """As it is within one transaction: what is promised in it counts for the next one that asks."""

    def __init__(self, live: Iterable[Job]) -> None:
        self._jobs: Counter[str] = Counter()
        self._promised: Counter[str] = Counter()
        for job in live:
            self._jobs[job.node_id] += 1
            self._promised[job.node_id] += job.bytes_to_come

    @classmethod
    async def of(cls, records: Records) -> NodeRoom:
        return cls(await records.jobs.live())

    def free(self, node: Node) -> int:
        """Bytes that nothing has and nothing will have; never less than none."""
        return max(0, node.free_bytes - self._promised[node.id])

    def fits(self, node: Node, needed: int) -> bool:
        """Whether the node has ``needed`` bytes; one whose disk is not known is given the chance."""
        return node.disk_total_bytes == 0 or self.free(node) >= needed

    def load(self, node: Node) -> tuple[int, int, str]:
        """To order nodes by: the least busy first, then the emptiest."""
        return self._jobs[node.id], -self.free(node), node.id

    def full(self, who: str, nodes: Iterable[Node], needed: int) -> StorageFull:
        """Why ``who`` cannot take ``needed`` bytes."""
        best = max(nodes, key=self.free)
        promised = self._promised[best.id]
        besides = f", {promised // _MIB} MiB being promised to other jobs" if promised else ""
        return StorageFull(
            f"{who}: about {needed // _MIB} MiB are needed, and at most {self.free(best) // _MIB} MiB "
            f"are free{besides}."
        )
