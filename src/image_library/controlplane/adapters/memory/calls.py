"""Calls with keys in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.domain.repeats import KnownCall


class MemoryCalls:
    """Fulfils ``ports.calls.Calls``."""

    def __init__(self, tables: Tables) -> None:
        self._calls = tables.calls

    async def get(self, key: str) -> KnownCall | None:
        return self._calls.get(key)

    async def save(self, call: KnownCall) -> None:
        self._calls[call.id] = call

    async def made(self, key: str) -> Mapping[str, str]:
        call = self._calls.get(key)
        return call.made if call else {}

    async def note(self, key: str, **made: str) -> None:
        call = self._calls.get(key)
        if call is not None:
            self._calls[key] = call.evolve(made={**call.made, **made})

    async def forget(self, before: datetime) -> int:
        old = [key for key, call in self._calls.items() if call.created_at < before]
        for key in old:
            del self._calls[key]
        return len(old)
