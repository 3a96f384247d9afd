"""Transactions over rows in memory: a writer works on a copy, which takes the rows' place at its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager

from image_library.controlplane.adapters.memory.calls import MemoryCalls
from image_library.controlplane.adapters.memory.changes import MemoryChanges
from image_library.controlplane.adapters.memory.copies import MemoryCopies
from image_library.controlplane.adapters.memory.images import MemoryImages
from image_library.controlplane.adapters.memory.jobs import MemoryJobs
from image_library.controlplane.adapters.memory.nodes import MemoryNodes
from image_library.controlplane.adapters.memory.profiles import MemoryProfiles
from image_library.controlplane.adapters.memory.refreshes import MemoryRefreshes
from image_library.controlplane.adapters.memory.sessions import MemorySessions
from image_library.controlplane.adapters.memory.tables import Tables
from image_library.controlplane.adapters.memory.tombstones import MemoryTombstones
from image_library.controlplane.adapters.memory.vms import MemoryVms
from image_library.controlplane.ports.records import LIBRARY
from image_library.domain.changes import Changed, Changes


class MemoryRecords:
    """Fulfils ``ports.records.Records``."""

    def __init__(self, tables: Tables) -> None:
        self.images = MemoryImages(tables)
        self.copies = MemoryCopies(tables)
        self.jobs = MemoryJobs(tables)
        self.nodes = MemoryNodes(tables)
        self.vms = MemoryVms(tables)
        self.changes = MemoryChanges(tables)
        self.tombstones = MemoryTombstones(tables)
        self.refreshes = MemoryRefreshes(tables)
        self.calls = MemoryCalls(tables)
        self.sessions = MemorySessions(tables)
        self.profiles = MemoryProfiles(tables)


class MemoryDatabase:
    """Fulfils ``ports.records.Database``."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._writer = asyncio.Lock()
        self._changes = Changes()
        self._secrets: dict[str, str] = {}

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[MemoryRecords]:
        yield MemoryRecords(self._tables.copy())

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[MemoryRecords]:
        async with self._writer:
            changed = self._tables.copy()
            yield MemoryRecords(changed)
            self._tables = changed
        if changed.stamped:
            self._changes.notify(LIBRARY)

    async def sequence(self) -> int:
        return self._tables.sequence

    async def images_sequence(self) -> int:
        return self._tables.images_sequence

    def follow(self) -> AbstractContextManager[Changed]:
        return self._changes.follow(LIBRARY)

    async def secret(self, name: str) -> str:
        return self._secrets.setdefault(name, secrets.token_hex(32))
