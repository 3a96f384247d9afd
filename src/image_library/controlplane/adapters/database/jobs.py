"""Jobs in the database, each with the order that its node was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, false, func, or_, select, true, update
from sqlalchemy import insert as add_row
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import newest_first, page_of
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.controlplane.ports.jobs import JobFilter
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
        columns = _columns(job, await self._stamp.number(shown=False))
        values = {"id": job.id, "order": to_document(order), **columns}
        await self._connection.execute(add_row(_JOBS).values(**values))

    async def save(self, job: Job) -> None:
        columns = _columns(job, await self._stamp.number(shown=False))
        await self._connection.execute(update(_JOBS).where(_JOBS.c.id == job.id).values(**columns))

    async def set_order(self, job_id: str, order: DownloadOrder) -> None:
        await self._connection.execute(
            update(_JOBS).where(_JOBS.c.id == job_id).values(order=to_document(order))
        )

    async def live(self) -> tuple[Job, ...]:
        return (await self._where(_JOBS.c.ended == false()))[::-1]

    async def of_image(self, image_id: str) -> tuple[Job, ...]:
        return await self._where(_JOBS.c.image_id == image_id)

    async def retries_of(self, job_id: str) -> tuple[Job, ...]:
        return await self._where(_JOBS.c.retry_of == job_id)

    async def prune(self, before: datetime, *, keep: int, most: int) -> int:
        ended = _JOBS.c.ended == true()
        count = select(func.count()).select_from(_JOBS).where(ended)
        surplus = max(0, (await self._connection.execute(count)).scalar_one() - keep)
        oldest = select(_JOBS.c.id).where(ended).order_by(_JOBS.c.updated_at, _JOBS.c.id)
        late = or_(_JOBS.c.updated_at < before, _JOBS.c.id.in_(oldest.limit(surplus)))
        gone = (await self._connection.execute(oldest.where(late).limit(most))).scalars().all()
        await self._connection.execute(delete(_JOBS).where(_JOBS.c.id.in_(gone)))
        for job_id in gone:
            await self._stamp.removed("job", job_id)
        return len(gone)

    async def list(self, matching: JobFilter, page: PageRequest) -> Page[Job]:
        rows, total, after = await page_of(self._connection, _JOBS, _conditions(matching), page)
        return Page(items=tuple(from_document(Job, r.document) for r in rows), total=total, next=after)

    async def _where(self, condition: ColumnElement[bool]) -> tuple[Job, ...]:
        rows = await self._connection.execute(newest_first(select(_JOBS).where(condition), _JOBS))
        return tuple(from_document(Job, row.document) for row in rows)


def _conditions(matching: JobFilter) -> list[ColumnElement[bool]]:
    wanted = {_JOBS.c.image_id: matching.image_id, _JOBS.c.node_id: matching.node_id}
    conditions = [column == value for column, value in wanted.items() if value]
    if matching.active_only:
        conditions.append(_JOBS.c.ended == false())
    if matching.kinds:
        conditions.append(_JOBS.c.kind.in_([kind.value for kind in matching.kinds]))
    return conditions


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
