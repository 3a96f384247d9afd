"""Changes since a number, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.library_change import Change, ItemKind
from image_library.domain.node import Node

I = TypeVar("I", Image, Job, Node)  # noqa: E741


class MemoryChanges:
    """Fulfils ``ports.changes.LibraryChanges``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def since(
        self, sequence: int, kinds: frozenset[ItemKind], *, limit: int
    ) -> tuple[tuple[Change, ...], int]:
        found = [
            *_items(ItemKind.IMAGE, self._tables.images),
            *_items(ItemKind.JOB, self._tables.jobs),
            *_items(ItemKind.NODE, self._tables.nodes),
            *self._vms(),
            *(self._removals() if sequence else ()),
        ]
        later = [c for c in found if c.sequence > sequence and c.kind in kinds]
        # What was removed and came back in one transaction is there.
        later.sort(key=lambda c: (c.sequence, c.item is not None, c.id))
        if len(later) <= limit:
            return tuple(later), self._tables.sequence
        reached = later[limit - 1].sequence
        return tuple(c for c in later if c.sequence <= reached), reached

    def _vms(self) -> Iterable[Change]:
        for vm_id, sequence in self._tables.vm_sequences.items():
            yield Change(sequence=sequence, kind=ItemKind.VM, id=vm_id, item=self._tables.vms[vm_id])

    def _removals(self) -> Iterable[Change]:
        kinds = {kind.value: kind for kind in ItemKind}
        for (kind, item_id), sequence in self._tables.removed.items():
            if kind in kinds:
                yield Change(sequence=sequence, kind=kinds[kind], id=item_id, item=None)

    async def horizon(self) -> int:
        return self._tables.horizon

    async def removals_before(self, moment: datetime) -> tuple[int, int]:
        known = self._tables.removed
        old = [known[key] for key, when in self._tables.removed_at.items() if key in known and when < moment]
        return len(old), max(old, default=0)

    async def forget_removals(self, before: int) -> None:
        gone = {key: number for key, number in self._tables.removed.items() if number <= before}
        if gone:
            self._tables.horizon = max(gone.values())
        self._tables.removed = {k: n for k, n in self._tables.removed.items() if k not in gone}


def _items(kind: ItemKind, rows: Mapping[str, I]) -> Iterable[Change]:
    for row in rows.values():
        yield Change(sequence=row.sequence, kind=kind, id=row.id, item=row)
