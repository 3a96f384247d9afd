"""What is remembered of refreshes, in memory."""

from __future__ import annotations

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.domain.refresh import Finding, Landing


class MemoryRefreshes:
    """Fulfils ``ports.refreshes.Refreshes``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for _, finding in sorted(self._tables.findings.items()))

    async def finding(self, catalog_id: str, architecture: str) -> Finding | None:
        return self._tables.findings.get((catalog_id, architecture))

    async def found(self, finding: Finding) -> None:
        self._tables.findings[(finding.catalog_id, finding.architecture)] = finding

    async def landings(self) -> tuple[Landing, ...]:
        return tuple(landing for _, landing in sorted(self._tables.landings.items()))

    async def expect(self, landing: Landing) -> None:
        self._tables.landings[landing.job_id] = landing

    async def settled(self, job_id: str) -> None:
        self._tables.landings.pop(job_id, None)
