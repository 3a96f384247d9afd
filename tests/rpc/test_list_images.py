"""Every filter and order of ListImages through the doors, by plain JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from image_library.controlplane.adapters.database.database import open_database
from image_library.domain.image import Deprecation, ImageFormat, ImagePhase, Visibility
from image_library.domain.os_info import OsFamily, OsInfo
from tests.fakes.control_values import (
    DIGEST,
    NOW,
    a_copy,
    a_node,
    a_ready_image,
    a_vm,
    an_evidence,
    an_image,
)
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason

LIBRARY = (
    a_ready_image(
        "one",
        name="Debian-12",
        version=2,
        # A rolling one: its support does not end while these tests are kept.
        catalog_id="archlinux",
        os=OsInfo(family=OsFamily.LINUX, distribution="debian", version="12", architecture="x86_64"),
        labels={"team": "blue", "tier": "gold"},
        evidence=an_evidence(),
        protected=True,
        size_bytes=300,
    ),
    an_image(
        "old",
        name="Debian-12",
        version=1,
        current=False,
        catalog_id="archlinux",
        size_bytes=200,
        created_at=NOW - timedelta(days=9),
    ),
    an_image(
        "two",
        name="fedora_40",
        catalog_id="fedora-40",
        phase=ImagePhase.ERROR,
        format=ImageFormat.RAW,
        description="Of a conference",
        deprecation=Deprecation(reason="ended", replacement="debian-12"),
        visibility=Visibility.PROJECT,
        shared_projects=("red",),
        size_bytes=100,
        created_at=NOW - timedelta(days=1),
        updated_at=NOW + timedelta(days=1),
        placements=(a_copy("node-2"),),
    ),
    an_image(
        "three",
        name="win",
        os=OsInfo(family=OsFamily.WINDOWS),
        visibility=Visibility.PUBLIC,
        project_id="red",
    ),
    an_image("shy", name="shy", hidden=True, created_at=NOW - timedelta(days=2)),
)
EVERYTHING = {"allVersions": True, "hiddenToo": True}
CASES: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "one two three"),
    ({"allVersions": True}, "one old two three"),
    ({"hiddenToo": True}, "one two three shy"),
    (EVERYTHING, "one old two three shy"),
    # The zero of every field, as a client of the contract alone may send it.
    (
        {"osFamily": "UNKNOWN", "format": "RAW", "visibility": "PRIVATE", "name": "", "digest": ""},
        "one two three",
    ),
    ({"projectId": "red"}, "three"),
    ({"usableByProject": "red"}, "two three"),
    ({"usableByProject": "blue"}, "three"),
    ({"labels": {"team": "blue"}}, "one"),
    ({"labels": {"team": "blue", "tier": "iron"}}, ""),
    ({"osFamily": "WINDOWS"}, "three"),
    ({"osFamilies": ["WINDOWS", "LINUX"]}, "one three"),
    ({"osFamilies": ["UNKNOWN"]}, "two"),
    ({"visibility": "PUBLIC"}, "three"),
    ({"visibilities": ["PRIVATE", "PUBLIC"]}, "one three"),
    ({"format": "QCOW2"}, "one three"),
    ({"formats": ["RAW"]}, "two"),
    ({"name": "DEBIAN-12"}, "one"),
    ({"name": "debian-12", "allVersions": True}, "one old"),
    ({"namePrefix": "DEB"}, "one"),
    ({"namePrefix": "fedora_"}, "two"),
    ({"namePrefix": "fedora%"}, ""),
    ({"nameContains": "A_4"}, "two"),
    ({"nameContains": "a-4"}, ""),
    ({"search": "conference FEDORA"}, "two"),
    ({"search": "conference debian"}, ""),
    ({"distribution": "Debian"}, "one"),
    ({"osVersion": "12"}, "one"),
    ({"architecture": "X86_64"}, "one"),
    ({"phases": ["READY"]}, "one"),
    ({"phases": ["READY", "ERROR"]}, "one two"),
    ({"trustLevels": ["TRUST_LEVEL_CHECKSUM", "TRUST_LEVEL_SIGNED"]}, "one"),
    ({"nodeId": "node-1"}, "one"),
    ({"storagePoolId": "store-of-node-2"}, "two"),
    ({"catalogId": "archlinux"}, "one"),
    ({"digest": DIGEST.upper().replace("SHA256", "sha256")}, "one"),
    ({"inUse": True}, "one"),
    ({"inUse": False}, "two three"),
    ({"supportEnded": True}, "two"),
    ({"supportEnded": False}, "one three"),
    ({"protected": True}, "one"),
    ({"protected": False}, "two three"),
    ({"deprecated": True}, "two"),
    ({"deprecated": False}, "one three"),
    ({"createdAfter": (NOW - timedelta(hours=1)).isoformat()}, "one three"),
    ({"createdBefore": NOW.isoformat()}, "two"),
    ({"createdAfter": NOW.isoformat(), **EVERYTHING}, ""),
    ({"phases": ["READY"], "labels": {"tier": "gold"}, "inUse": True, "namePrefix": "deb"}, "one"),
)
ORDERS = {
    "": "three one two shy old",
    "created_at desc": "three one two shy old",
    "created_at": "old shy two one three",
    "updated_at desc": "two three shy one old",
    "name": "old one two shy three",
    "name desc": "three shy two one old",
    "size_bytes": "shy three two old one",
    "SIZE_BYTES DESC": "one old two three shy",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
async def full(data_dir: Path) -> AsyncGenerator[Caller]:
    """A control plane with a few images of every kind."""
    async with open_database(data_dir / "controlplane.db") as database, database.write() as records:
        for node in ("node-1", "node-2"):
            await records.nodes.save(a_node(node))
        for image in LIBRARY:
            await records.images.save(image)
        await records.vms.save(a_vm(image_id="one"))
    async with control_plane(data_dir) as caller:
        yield caller


async def listed(call: Caller, wanted: dict[str, Any]) -> list[str]:
    """All pages of one image each; every page tells the total."""
    found: list[str] = []
    token, total = "", 0
    while token or not found:
        page = await call(f"{IMAGES}/ListImages", {**wanted, "pageSize": 2, "pageToken": token})
        found += [image["id"] for image in page.get("images", [])]
        token, total = page.get("nextPageToken", ""), page.get("totalCount", 0)
        if not found:
            break
    assert total == len(found)
    return found


async def test_every_filter_gives_what_it_says(full: Caller) -> None:
    expected = {str(wanted): sorted(ids.split()) for wanted, ids in CASES}
    assert {str(wanted): sorted(await listed(full, wanted)) for wanted, _ in CASES} == expected


async def test_every_order_holds_over_the_pages(full: Caller) -> None:
    found = {order: await listed(full, {**EVERYTHING, "orderBy": order}) for order in ORDERS}
    assert found == {order: ids.split() for order, ids in ORDERS.items()}


async def test_an_order_that_is_none_is_refused_with_the_choices(full: Caller) -> None:
    error = await full.refused(f"{IMAGES}/ListImages", {"orderBy": "colour"})
    assert (error.code, reason(error)) == ("invalid_argument", "REQUEST_INVALID")
    assert "created_at, updated_at, name, size_bytes" in error.message


@pytest.mark.parametrize(
    "other",
    [
        {"orderBy": "name"},
        {"inUse": True},
        {"labels": {"a": "b"}},
        {"phases": ["READY"]},
        {"hiddenToo": True},
    ],
)
async def test_a_page_token_of_another_query_or_order_is_refused(full: Caller, other: dict[str, Any]) -> None:
    token = (await full(f"{IMAGES}/ListImages", {"pageSize": 1}))["nextPageToken"]
    error = await full.refused(f"{IMAGES}/ListImages", {**other, "pageToken": token})
    assert (error.code, reason(error)) == ("invalid_argument", "REQUEST_PAGE_TOKEN")
