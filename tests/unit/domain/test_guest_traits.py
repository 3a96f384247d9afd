"""An image's guests are told apart by its own entry, else by the nearest of its distribution, else not."""

from __future__ import annotations

import pytest

from image_library.catalog.loader import load_catalog
from image_library.domain.guest_traits import USUAL, guest_facts
from image_library.domain.os_info import OsInfo

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("os", "catalog_id", "group", "user"),
    [
        (OsInfo(distribution="debian", version="12", default_user="debian"), "debian-12", "sudo", "debian"),
        (OsInfo(distribution="ubuntu", version="24.04"), "", "sudo", "ubuntu"),
        (OsInfo(distribution="ubuntu", version="18.04"), "", "sudo", "ubuntu"),
        (OsInfo(distribution="rocky", version="9", default_user="cloud"), "", "wheel", "cloud"),
        (OsInfo(distribution="opensuse", version="15.5"), "", "wheel", "root"),
        (OsInfo(distribution="debian", version="12"), "gone-from-the-catalogue", "sudo", "debian"),
    ],
)
def test_the_nearest_entry_tells(os: OsInfo, catalog_id: str, group: str, user: str) -> None:
    traits, said = guest_facts(os, CATALOG, catalog_id)
    assert (traits.admin_group, said) == (group, user)


@pytest.mark.parametrize("os", [OsInfo(), OsInfo(distribution="templeos")])
def test_of_an_unknown_system_the_usual_is_taken_and_no_user_invented(os: OsInfo) -> None:
    assert guest_facts(os, CATALOG) == (USUAL, "")


def test_an_entry_knows_its_own_ways() -> None:
    traits, _ = guest_facts(OsInfo(), CATALOG, "alpine-3.24")
    assert (traits.shell, traits.sudo_package, traits.init_system) == ("/bin/ash", "sudo", "openrc")
