"""Calls that carry a key of their caller's, remembered for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from image_library.domain.repeats import KnownCall


class Calls(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, key: str) -> KnownCall | None: ...

    async def save(self, call: KnownCall) -> None:
        """Adds or replaces it."""
        ...

    async def made(self, key: str) -> Mapping[str, str]:
        """The ids that an earlier run of the call made, by kind; nothing for an empty or unknown key."""
        ...

    async def note(self, key: str, **made: str) -> None:
        """Write down, together with them, the ids that the call makes. Without a key nothing is noted."""
        ...

    async def forget(self, before: datetime) -> int:
        """Drop the calls that began before that moment; how many they were."""
        ...
