"""Calls with keys in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import upsert
from image_library.domain.repeats import KnownCall

_CALLS = tables.calls


class DatabaseCalls:
    """Fulfils ``ports.calls.Calls`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, key: str) -> KnownCall | None:
        query = select(_CALLS.c.document).where(_CALLS.c.id == key)
        document = (await self._connection.execute(query)).scalar()
        return None if document is None else from_document(KnownCall, document)

    async def save(self, call: KnownCall) -> None:
        values = {"id": call.id, "document": to_document(call), "created_at": call.created_at}
        await upsert(self._connection, _CALLS, values)

    async def made(self, key: str) -> Mapping[str, str]:
        call = await self.get(key) if key else None
        return call.made if call else {}

    async def note(self, key: str, **made: str) -> None:
        call = await self.get(key) if key else None
        if call is not None:
            await self.save(call.evolve(made={**call.made, **made}))

    async def forget(self, before: datetime) -> int:
        gone = await self._connection.execute(delete(_CALLS).where(_CALLS.c.created_at < before))
        return gone.rowcount
