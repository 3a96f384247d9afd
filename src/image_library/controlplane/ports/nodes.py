"""The nodes that have registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from image_library.domain.node import Node, NodePhase
from image_library.domain.paging import Page, PageRequest


@dataclass(frozen=True, kw_only=True)
class NodeFilter:
    """Which nodes to list; empty values filter nothing, and every label must match."""

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    phases: frozenset[NodePhase] = frozenset()


class Nodes(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, node_id: str) -> Node | None: ...

    async def with_hostname(self, hostname: str) -> tuple[Node, ...]: ...

    async def all(self) -> tuple[Node, ...]: ...

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Node]:
        """Newest first."""
        ...

    async def save(self, node: Node) -> None:
        """Adds or replaces it."""
        ...

    async def keep(self, nodes: Sequence[Node]) -> None:
        """Replaces what is stored of them, without telling anybody: they keep their sequence numbers."""
        ...
