"""Profiles in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import on_its_own, page_of, upsert
from image_library.domain.errors import NameTaken
from image_library.domain.paging import Page, PageRequest
from image_library.domain.profiles.profile import Profile

_PROFILES = tables.profiles


class DatabaseProfiles:
    """Fulfils ``ports.profiles.Profiles`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, profile_id: str) -> Profile | None:
        return await self._where(_PROFILES.c.id == profile_id)

    async def named(self, name: str, project_id: str) -> Profile | None:
        return await self._where(_PROFILES.c.name_key == name.lower(), _PROFILES.c.project_id == project_id)

    async def list(self, project_id: str, page: PageRequest) -> Page[Profile]:
        conditions = [_PROFILES.c.project_id == project_id] if project_id else []
        rows, total, after = await page_of(self._connection, _PROFILES, conditions, page)
        items = tuple(from_document(Profile, row.document) for row in rows)
        return Page(items=items, total=total, next=after)

    async def save(self, profile: Profile) -> None:
        try:
            async with on_its_own(self._connection):
                await upsert(self._connection, _PROFILES, _row(profile))
        except IntegrityError as error:
            raise NameTaken(f"A profile '{profile.name}' exists already.", field="name") from error

    async def remove(self, profile_id: str) -> None:
        await self._connection.execute(delete(_PROFILES).where(_PROFILES.c.id == profile_id))

    async def _where(self, *conditions: ColumnElement[bool]) -> Profile | None:
        found = (await self._connection.execute(select(_PROFILES.c.document).where(*conditions))).scalar()
        return None if found is None else from_document(Profile, found)


def _row(profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "project_id": profile.project_id,
        "name_key": profile.name.lower(),
        "document": to_document(profile),
        "created_at": profile.created_at,
        "updated_at": profile.updated_at,
    }
