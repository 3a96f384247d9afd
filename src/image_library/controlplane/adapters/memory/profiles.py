"""Profiles in memory."""

from __future__ import annotations

from image_library.controlplane.adapters.memory.tables import Tables, page_of
from image_library.domain.errors import NameTaken
from image_library.domain.paging import Page, PageRequest
from image_library.domain.profiles.profile import Profile


class MemoryProfiles:
    """Fulfils ``ports.profiles.Profiles``."""

    def __init__(self, tables: Tables) -> None:
        self._profiles = tables.profiles

    async def get(self, profile_id: str) -> Profile | None:
        return self._profiles.get(profile_id)

    async def named(self, name: str, project_id: str) -> Profile | None:
        key = (name.lower(), project_id)
        return next((p for p in self._profiles.values() if (p.name.lower(), p.project_id) == key), None)

    async def list(self, project_id: str, page: PageRequest) -> Page[Profile]:
        return page_of([p for p in self._profiles.values() if project_id in ("", p.project_id)], page)

    async def save(self, profile: Profile) -> None:
        other = await self.named(profile.name, profile.project_id)
        if other is not None and other.id != profile.id:
            raise NameTaken(f"A profile '{profile.name}' exists already.", field="name")
        self._profiles[profile.id] = profile

    async def remove(self, profile_id: str) -> None:
        self._profiles.pop(profile_id, None)
