"""What is remembered of deleted images."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from image_library.domain.garbage import Tombstone


class Tombstones(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, digest: str) -> Tombstone | None: ...

    async def waiting(self) -> tuple[Tombstone, ...]:
        """Those for which nodes have still to remove bytes, oldest first."""
        ...

    async def expired(self, before: datetime) -> tuple[Tombstone, ...]:
        """Those whose last node had removed the bytes before that moment, oldest first."""
        ...

    async def save(self, tombstone: Tombstone) -> None:
        """Adds or replaces it."""
        ...

    async def lift(self, digest: str) -> None:
        """The bytes are wanted again. Lifting what is not there is fine."""
        ...
