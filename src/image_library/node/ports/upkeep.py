"""Removing from the store what nothing needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that may go, and the bytes that are free then."""

    name: str
    bytes: int


class StoreSweeper(Protocol):
    """Finding and removing what the store does not need. Each removal looks again just before the end."""

    async def stale_parts(self, live: frozenset[str]) -> tuple[Leftover, ...]:
        """Parts that nobody has gone on with for a week and that are not ``live`` (keys)."""
        ...

    async def drop_part(self, name: str, live: Callable[[], Awaitable[frozenset[str]]]) -> bool:
        """Whether it went; False where somebody goes on with it after all."""
        ...

    async def dead_links(self) -> tuple[Leftover, ...]:
        """Readable links of ours whose blob is gone."""
        ...

    async def drop_link(self, name: str) -> bool: ...

    async def old_blobs(self) -> tuple[Leftover, ...]:
        """Blobs that have been here for a day, by "sha256:HEX", whether or not they are recorded."""
        ...

    async def drop_blob(self, digest: str, unwanted: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it went; False where it is gone already, or where ``unwanted`` says no at last."""
        ...


class ImageUsers(Protocol):
    async def users_of(self, digest: str) -> tuple[str, ...]:
        """The names of the VMs whose disks are built on the image "sha256:HEX"."""
        ...
