"""What a database is opened as, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True, kw_only=True)
class Engines:
    """Connections for readers, which see one consistent view, and for the one writer."""

    readers: AsyncEngine
    # For single rows, which need no transaction.
    glances: AsyncEngine
    writers: AsyncEngine
    # Turns what the database says into our own errors.
    translated: Callable[[], AbstractContextManager[None]]
    # Only this process can change it: what it committed last is the last.
    alone: bool

    async def close(self) -> None:
        await self.readers.dispose()
        await self.writers.dispose()
