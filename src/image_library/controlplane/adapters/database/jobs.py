"""Jobs in the database, each with the order that its node was given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, false, select, update
from sqlalchemy import insert as add_row
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import newest_first, page_of
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.domain.job import Job
from image_library.domain.paging import Page, PageRequest
from image_library.domain.store import DownloadOrder

_JOBS = tables.jobs


class DatabaseJobs:
    """Fulfils ``ports.jobs.Jobs`` within one transaction."""

    def __init__(self, connection: AsyncConnection, stamp: Stamp) -> None:
        self._connection = connection
        self._stamp = stamp

    async def get(self, job_id: str) -> Job | None:
        found = await self._where(_JOBS.c.id == job_id)
        return found[0] if found else None

    async def order(self, job_id: str) -> DownloadOrder | None:
        query = select(_JOBS.c.order).where(_JOBS.c.id == job_id)
        document = (await self._connection.execute(query)).scalar()
        return None if document is None else from_document(DownloadOrder, document)

    async def add(self, job: Job, order: DownloadOrder) -> None:
        columns = _columns(job, await self._stamp.number())
        values = {"id": job.id, "order": to_document(order), **columns}
        await self._connection.execute(add_row(_JOBS).values(**values))

    async def save(self, job: Job) -> None:
        columns = _columns(job, await self._stamp.number())
        await self._connection.execute(update(_JOBS).where(_JOBS.c.id == job.id).values(**columns))

    async def live(self) -> tuple[Job, ...]:
        return (await self._where(_JOBS.c.ended == false()))[::-1]

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        return await self._where(_JOBS.c.image_id == image_id)

    async def list(self, page: PageRequest, *, active_only: bool) -> Page[Job]:
        conditions = [_JOBS.c.ended == false()] if active_only else []
        rows, total, after = await page_of(self._connection, _JOBS, conditions, page)
        return Page(items=tuple(from_document(Job, r.document) for r in rows), total=total, next=after)

    async def _where(self, condition: ColumnElement[bool]) -> tuple[Job, ...]:
        rows = await self._connection.execute(newest_first(select(_JOBS).where(condition), _JOBS))
        return tuple(from_document(Job, row.document) for row in rows)


def _columns(job: Job, sequence: int) -> dict[str, Any]:
    return {
        "image_id": job.image_id,
        "node_id": job.node_id,
        "kind": job.kind.value,
        "state": job.state.value,
        "ended": job.state.ended,
        "retry_of": job.retry_of,
        "document": to_document(replace(job, sequence=sequence)),
        "sequence": sequence,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }
