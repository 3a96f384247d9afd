"""The profiles that are kept, and the reader of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from image_library.domain.cloud_init import Provisioning
from image_library.domain.network_wish import NetworkWish
from image_library.domain.paging import Page, PageRequest
from image_library.domain.profiles.profile import Profile
from image_library.domain.vm import Datasource


class Profiles(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, profile_id: str) -> Profile | None: ...

    async def named(self, name: str, project_id: str) -> Profile | None:
        """The project's profile with this name, in capitals or not."""
        ...

    async def list(self, project_id: str, page: PageRequest) -> Page[Profile]:
        """Newest first; an empty project means any."""
        ...

    async def save(self, profile: Profile) -> None:
        """Adds or replaces it.

        Raises:
            NameTaken: another profile of the project has its name.
        """
        ...

    async def remove(self, profile_id: str) -> None:
        """Forget it, if it is there."""
        ...


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a profile says of a guest once its parameters have values."""

    provisioning: Provisioning = field(repr=False)
    network: NetworkWish
    datasource: Datasource | None


class ProvisioningReader(Protocol):
    """From data with the names of the API's fields to what they mean."""

    def read(self, data: Mapping[str, Any]) -> Said:
        """Raises: InvalidProfile: a name or a value is not one of the API's."""
        ...
