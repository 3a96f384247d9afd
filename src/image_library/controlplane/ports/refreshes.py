"""What is remembered of refreshes: what publishers were heard to say, and what is to be done after jobs."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.refresh import Finding, Landing


class Refreshes(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def findings(self) -> tuple[Finding, ...]:
        """The last one of every entry and architecture that was asked about."""
        ...

    async def finding(self, catalog_id: str, architecture: str) -> Finding | None: ...

    async def found(self, finding: Finding) -> None:
        """Adds it, or replaces the one before it."""
        ...

    async def landings(self) -> tuple[Landing, ...]: ...

    async def expect(self, landing: Landing) -> None:
        """Adds it, or replaces the one of the same job."""
        ...

    async def settled(self, job_id: str) -> None:
        """Forget what was to be done after this job."""
        ...
