"""Sessions of browsers in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.rows import upsert
from image_library.domain.session import Session

_SESSIONS = tables.sessions


class DatabaseSessions:
    """Fulfils ``ports.sessions.Sessions`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> Sequence[Session]:
        rows = await self._connection.execute(select(_SESSIONS).order_by(_SESSIONS.c.id))
        return [Session(id=row.id, created_at=row.created_at, expires_at=row.expires_at) for row in rows]

    async def save(self, session: Session) -> None:
        values = {"id": session.id, "created_at": session.created_at, "expires_at": session.expires_at}
        await upsert(self._connection, _SESSIONS, values)

    async def remove(self, session_id: str) -> None:
        await self._connection.execute(delete(_SESSIONS).where(_SESSIONS.c.id == session_id))

    async def expire(self, now: datetime) -> int:
        gone = await self._connection.execute(delete(_SESSIONS).where(_SESSIONS.c.expires_at <= now))
        return gone.rowcount
