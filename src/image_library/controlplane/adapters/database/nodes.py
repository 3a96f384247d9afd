"""Nodes in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import has_label, newest_first, page_of, upsert
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.controlplane.ports.nodes import NodeFilter
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest

_NODES = tables.nodes


class DatabaseNodes:
    """Fulfils ``ports.nodes.Nodes`` within one transaction."""

    def __init__(self, connection: AsyncConnection, stamp: Stamp) -> None:
        self._connection = connection
        self._stamp = stamp

    async def get(self, node_id: str) -> Node | None:
        found = await self._where(_NODES.c.id == node_id)
        return found[0] if found else None

    async def with_hostname(self, hostname: str) -> tuple[Node, ...]:
        return await self._where(_NODES.c.hostname == hostname)

    async def all(self) -> tuple[Node, ...]:
        return await self._where()

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Node]:
        rows, total, after = await page_of(self._connection, _NODES, _conditions(matching), page)
        return Page(items=tuple(from_document(Node, r.document) for r in rows), total=total, next=after)

    async def save(self, node: Node) -> None:
        node = node.evolve(sequence=await self._stamp.number(shown=False))
        values = {
            "id": node.id,
            "hostname": node.hostname,
            "phase": node.phase.value,
            "document": to_document(node),
            "sequence": node.sequence,
            "created_at": node.created_at,
            "updated_at": node.updated_at,
        }
        await upsert(self._connection, _NODES, values)

    async def keep(self, nodes: Sequence[Node]) -> None:
        if not nodes:
            return
        values: dict[str, Any] = {
            "phase": bindparam("phase"),
            "document": bindparam("document"),
            "updated_at": bindparam("updated_at"),
        }
        same = update(_NODES).where(_NODES.c.id == bindparam("node_id")).values(values)
        rows = [
            {
                "node_id": node.id,
                "phase": node.phase.value,
                "document": to_document(node),
                "updated_at": node.updated_at,
            }
            for node in nodes
        ]
        await self._connection.execute(same, rows)

    async def _where(self, *conditions: ColumnElement[bool]) -> tuple[Node, ...]:
        rows = await self._connection.execute(newest_first(select(_NODES).where(*conditions), _NODES))
        return tuple(from_document(Node, row.document) for row in rows)


def _conditions(wanted: NodeFilter) -> list[ColumnElement[bool]]:
    conditions = [has_label(_NODES.c.document, key, value) for key, value in wanted.labels.items()]
    if wanted.phases:
        conditions.append(_NODES.c.phase.in_(sorted(phase.value for phase in wanted.phases)))
    return conditions
