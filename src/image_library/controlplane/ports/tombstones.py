"""What is remembered of deleted images, and of everything that is gone."""

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


class Removals(Protocol):
    """Notes of what is gone, for those who follow the library by sequence. Part of one transaction."""

    async def forget(self, before: datetime, *, dry_run: bool = False) -> int:
        """Drop the notes from before that moment; how many they were."""
        ...

    async def forgotten(self) -> int:
        """The highest sequence number of a note that was dropped: whoever knows less must begin anew."""
        ...
