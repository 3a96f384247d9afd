"""What judging a store's health needs: a look, a try, and a memory; and what others ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from image_library.domain.store_health import Degradation, Trouble

# Is told that a write or a sync has failed, with a sentence; from any thread.
Failed = Callable[[Trouble, str], None]


class StoreProbe(Protocol):
    def read_only(self) -> bool:
        """Whether the file system says of itself that it is read-only. From any thread."""
        ...

    async def write(self) -> None:
        """Write a small file, make it last, and remove it.

        Raises:
            StorageIo, StoreNotWritable, StorageFull: that is not possible.
        """
        ...


class HealthRecords(Protocol):
    async def load(self) -> Degradation | None: ...

    async def save(self, degraded: Degradation | None) -> None:
        """Durably.

        Raises:
            StorageIo, StoreNotWritable, StorageFull
        """
        ...


class WriteGate(Protocol):
    """In front of every work that writes to the store."""

    def check(self) -> None:
        """Raises StoreDegraded: nothing new is begun."""
        ...

    async def open(self, waiting: Callable[[str], None]) -> None:
        """Wait until work may begin; ``waiting`` is told for what, and at last "" for nothing."""
        ...
