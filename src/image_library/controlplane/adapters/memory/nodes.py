"""Nodes in memory."""

from __future__ import annotations

from collections.abc import Sequence

from image_library.controlplane.adapters.memory.tables import Tables, newest_first, page_of
from image_library.controlplane.ports.nodes import NodeFilter
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest


class MemoryNodes:
    """Fulfils ``ports.nodes.Nodes``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, node_id: str) -> Node | None:
        return self._tables.nodes.get(node_id)

    async def with_hostname(self, hostname: str) -> tuple[Node, ...]:
        return newest_first(n for n in self._tables.nodes.values() if n.hostname == hostname)

    async def all(self) -> tuple[Node, ...]:
        return newest_first(self._tables.nodes.values())

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Node]:
        return page_of((n for n in self._tables.nodes.values() if _matches(n, matching)), page)

    async def save(self, node: Node) -> None:
        self._tables.nodes[node.id] = node.evolve(sequence=self._tables.stamp(shown=False))

    async def keep(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._tables.nodes[node.id] = node.evolve(sequence=self._tables.nodes[node.id].sequence)


def _matches(node: Node, wanted: NodeFilter) -> bool:
    return (not wanted.phases or node.phase in wanted.phases) and all(
        node.labels.get(key) == value for key, value in wanted.labels.items()
    )
