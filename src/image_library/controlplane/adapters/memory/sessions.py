"""Sessions of browsers in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from image_library.controlplane.adapters.memory.tables import Tables
from image_library.domain.session import Session


class MemorySessions:
    """Fulfils ``ports.sessions.Sessions``."""

    def __init__(self, tables: Tables) -> None:
        self._sessions = tables.sessions

    async def all(self) -> Sequence[Session]:
        return [self._sessions[key] for key in sorted(self._sessions)]

    async def save(self, session: Session) -> None:
        self._sessions[session.id] = session

    async def remove(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    async def expire(self, now: datetime) -> int:
        over = [session.id for session in self._sessions.values() if session.expires_at <= now]
        for key in over:
            del self._sessions[key]
        return len(over)
