"""Tombstones in memory."""

from __future__ import annotations

from datetime import datetime

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.domain.garbage import Tombstone


class MemoryTombstones:
    """Fulfils ``ports.tombstones.Tombstones``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, digest: str) -> Tombstone | None:
        return self._tables.tombstones.get(digest)

    async def waiting(self) -> tuple[Tombstone, ...]:
        return tuple(t for t in self._oldest_first() if t.cleared_at is None)

    async def expired(self, before: datetime) -> tuple[Tombstone, ...]:
        return tuple(t for t in self._oldest_first() if t.cleared_at is not None and t.cleared_at < before)

    async def save(self, tombstone: Tombstone) -> None:
        self._tables.tombstones[tombstone.digest] = tombstone

    async def lift(self, digest: str) -> None:
        self._tables.tombstones.pop(digest, None)

    def _oldest_first(self) -> list[Tombstone]:
        return sorted(self._tables.tombstones.values(), key=lambda t: (t.deleted_at, t.digest))
