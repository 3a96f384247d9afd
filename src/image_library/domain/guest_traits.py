"""How an image's guests differ: from its own catalogue entry, or from the nearest one of its distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from image_library.domain.catalog import Catalog, CatalogEntry
from image_library.domain.identity import WINDOWS_USER
from image_library.domain.os_info import GuestTraits, OsFamily, OsInfo
from image_library.domain.repositories import PACKAGE_MANAGERS
from image_library.domain.windows.answers import ADMINISTRATOR

# For a distribution that the catalogue does not know: what most of them are.
USUAL = GuestTraits(agent_commands=(("systemctl", "enable", "--now", "qemu-guest-agent"),))

# As Cloudbase-Init takes cloud-config: no packages, and its own shell.
WINDOWS = GuestTraits(
    admin_group="Administrators",
    shell="",
    agent_package="",
    shell_words=("powershell.exe", "-NoProfile", "-Command"),
    user_names=WINDOWS_USER,
)


def guest_facts(os: OsInfo, catalog: Catalog, catalog_id: str = "") -> tuple[GuestTraits, str]:
    """The traits, and the user to log in as (empty where nothing is known)."""
    if os.family is OsFamily.WINDOWS:
        return WINDOWS, os.default_user or ADMINISTRATOR
    nearest = next(_entries(os, catalog, catalog_id), None)
    if nearest is None:
        return replace(USUAL, package_manager=PACKAGE_MANAGERS.get(os.distribution, "")), os.default_user
    return nearest.traits, os.default_user or nearest.os.default_user


def _entries(os: OsInfo, catalog: Catalog, catalog_id: str) -> Iterator[CatalogEntry]:
    """Candidates, the nearest first."""
    named = catalog.find(catalog_id)
    if named is not None:
        yield named
    same = [e for e in catalog.entries if os.distribution and e.os.distribution == os.distribution]
    yield from (e for e in same if e.os.version == os.version)
    yield from same
