"""What is remembered of refreshes in the database: documents under what they are about."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import upsert
from image_library.domain.refresh import Finding, Landing

_FINDINGS = tables.findings
_LANDINGS = tables.landings


class DatabaseRefreshes:
    """Fulfils ``ports.refreshes.Refreshes`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def findings(self) -> tuple[Finding, ...]:
        order = (_FINDINGS.c.catalog_id, _FINDINGS.c.architecture)
        rows = await self._connection.execute(select(_FINDINGS.c.document).order_by(*order))
        return tuple(from_document(Finding, document) for document in rows.scalars())

    async def finding(self, catalog_id: str, architecture: str) -> Finding | None:
        same = (_FINDINGS.c.catalog_id == catalog_id, _FINDINGS.c.architecture == architecture)
        rows = await self._connection.execute(select(_FINDINGS.c.document).where(*same))
        document = rows.scalar()
        return None if document is None else from_document(Finding, document)

    async def found(self, finding: Finding) -> None:
        key = {"catalog_id": finding.catalog_id, "architecture": finding.architecture}
        values = {**key, "document": to_document(finding)}
        await upsert(self._connection, _FINDINGS, values, key=("catalog_id", "architecture"))

    async def landings(self) -> tuple[Landing, ...]:
        query = select(_LANDINGS.c.document).order_by(_LANDINGS.c.job_id)
        rows = await self._connection.execute(query)
        return tuple(from_document(Landing, document) for document in rows.scalars())

    async def expect(self, landing: Landing) -> None:
        values = {"job_id": landing.job_id, "document": to_document(landing)}
        await upsert(self._connection, _LANDINGS, values, key=("job_id",))

    async def settled(self, job_id: str) -> None:
        await self._connection.execute(delete(_LANDINGS).where(_LANDINGS.c.job_id == job_id))
