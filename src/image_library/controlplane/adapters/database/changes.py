"""Changes since a number, from the rows' own numbers and the removals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document
from image_library.controlplane.adapters.database.rows import upsert
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.library_change import Change, Item, ItemKind
from image_library.domain.node import Node
from image_library.domain.vm import Vm

_ROWS: dict[ItemKind, tuple[Table, type[Item]]] = {
    ItemKind.IMAGE: (tables.images, Image),
    ItemKind.JOB: (tables.jobs, Job),
    ItemKind.NODE: (tables.nodes, Node),
    ItemKind.VM: (tables.vms, Vm),
}
_HORIZON = "removals-horizon"
_REMOVALS = tables.removals


class DatabaseChanges:
    """Fulfils ``ports.changes.LibraryChanges`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def since(
        self, sequence: int, kinds: frozenset[ItemKind], *, limit: int
    ) -> tuple[tuple[Change, ...], int]:
        reached = (await self._connection.execute(select(tables.sequence.c.value))).scalar_one()
        found: list[Change] = []
        for kind in kinds:
            for table, condition in ((_ROWS[kind][0], None), (_REMOVALS, _REMOVALS.c.kind == kind.value)):
                if table is _REMOVALS and not sequence:
                    # Who knows nothing yet need not hear of what is gone.
                    continue
                rows, end = await self._after(table, sequence, limit, condition)
                found += [_change(kind, row, removed=table is _REMOVALS) for row in rows]
                reached = min(reached, end) if end else reached
        # What was removed and came back in one transaction is there.
        kept = sorted(
            (c for c in found if c.sequence <= reached),
            key=lambda c: (c.sequence, c.item is not None, c.id),
        )
        return tuple(kept), reached

    async def _after(
        self, table: Table, sequence: int, limit: int, condition: ColumnElement[bool] | None
    ) -> tuple[list[Any], int]:
        """The rows of whole numbers, and the last of these numbers; 0 where there are no more."""
        beyond = table.c.sequence > sequence
        wanted = beyond if condition is None else and_(beyond, condition)
        query = select(table).where(wanted).order_by(table.c.sequence)
        rows = list((await self._connection.execute(query.limit(limit + 1))).all())
        if len(rows) <= limit:
            return rows, 0
        last = rows[-1].sequence
        whole = [row for row in rows if row.sequence < last]
        if whole:
            return whole, whole[-1].sequence
        # One transaction changed more than a page's worth.
        same = table.c.sequence == last
        query = select(table).where(same if condition is None else and_(same, condition))
        return list((await self._connection.execute(query)).all()), last

    async def horizon(self) -> int:
        query = select(tables.meta.c.value).where(tables.meta.c.key == _HORIZON)
        return int((await self._connection.execute(query)).scalar() or 0)

    async def removals_before(self, moment: datetime) -> tuple[int, int]:
        query = select(func.count(), func.max(_REMOVALS.c.sequence)).where(_REMOVALS.c.removed_at < moment)
        number, highest = (await self._connection.execute(query)).one()
        return number, highest or 0

    async def forget_removals(self, before: int) -> None:
        query = select(func.max(_REMOVALS.c.sequence)).where(_REMOVALS.c.sequence <= before)
        last = (await self._connection.execute(query)).scalar()
        if last is None:
            return
        await self._connection.execute(delete(_REMOVALS).where(_REMOVALS.c.sequence <= before))
        values = {"key": _HORIZON, "value": str(last)}
        await upsert(self._connection, tables.meta, values, key=("key",))


def _change(kind: ItemKind, row: Any, *, removed: bool) -> Change:
    item = None if removed else from_document(_ROWS[kind][1], row.document)
    return Change(sequence=row.sequence, kind=kind, id=row.id, item=item)
