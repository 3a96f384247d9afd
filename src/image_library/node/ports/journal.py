"""The node's own memory of its work."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.store import Download


class DownloadJournal(Protocol):
    """Every download that this node was ever asked for."""

    async def save(self, *downloads: Download) -> None:
        """Store the records durably, all or none."""
        ...

    async def download(self, job_id: str) -> Download | None: ...

    async def unfinished(self) -> tuple[Download, ...]:
        """Those that have not ended, oldest first."""
        ...
