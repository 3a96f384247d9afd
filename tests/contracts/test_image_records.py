"""What every keeper of images does alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.records import Database
from image_library.domain.errors import NameTaken
from image_library.domain.image import Failure, Image, ImageFormat, Requirements, Visibility
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.paging import PageRequest
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

FULL = a_ready_image(
    description="with 'quotes', \"more\" and ünïcode",
    labels={"team": "blue", 'odd "key"': "x' OR 1=1"},
    catalog_id="debian-12",
    os=OsInfo(family=OsFamily.LINUX, distribution="debian", architecture="x86_64"),
    requirements=Requirements(min_disk_gib=2, firmware=("bios", "uefi"), tpm=True),
    visibility=Visibility.PUBLIC,
    evidence=an_evidence(),
    failure=Failure(code="image.missing", message="Gone.", remedy="Fetch it."),
    placements=(a_copy("node-2"), a_copy("node-1")),
)


async def keep(database: Database, *images: Image) -> None:
    async with database.write() as records:
        await records.nodes.save(a_node("node-1"))
        await records.nodes.save(a_node("node-2"))
        for image in images:
            await records.images.save(image)


async def listed(database: Database, matching: ImageFilter) -> list[str]:
    async with database.read() as records:
        page = await records.images.list(matching, PageRequest())
    assert page.total == len(page.items)
    return sorted(image.id for image in page.items)


async def test_an_image_comes_back_as_it_was_saved(database: Database) -> None:
    await keep(database, FULL)
    async with database.read() as records:
        assert await records.images.get(FULL.id) == FULL


async def test_saving_again_replaces_labels_and_copies_too(database: Database) -> None:
    await keep(database, FULL)
    changed = replace(FULL, labels={"team": "red"}, placements=(), name="renamed")
    await keep(database, changed)
    async with database.read() as records:
        assert await records.images.get(FULL.id) == changed
    assert await listed(database, ImageFilter(labels={"team": "blue"})) == []


async def test_a_name_is_given_once_in_a_project(database: Database) -> None:
    await keep(database, an_image("one", name="golden"))
    await keep(database, an_image("two", name="golden", project_id="another"))
    with pytest.raises(NameTaken, match="golden"):
        await keep(database, an_image("three", name="golden"))
    async with database.read() as records:
        assert [i.id for i in await records.images.named("golden", "another")] == ["two"]
        assert len(await records.images.named("golden")) == 2
        assert [i.id for i in await records.images.named("Golden", "another")] == ["two"]
        assert "golden" in await records.images.names()


async def test_images_are_found_by_what_they_are(database: Database) -> None:
    await keep(database, FULL, an_image("plain"))
    async with database.read() as records:
        assert [i.id for i in await records.images.of_catalog("debian-12")] == [FULL.id]
        assert [i.id for i in await records.images.of_catalog()] == [FULL.id]
        assert [i.id for i in await records.images.with_digest(DIGEST)] == [FULL.id]
        assert await records.images.with_digest("") == ()
        assert [i.id for i in await records.images.on_node("node-2")] == [FULL.id]
        assert [i.id for i in await records.images.at_path("/images/debian-12.qcow2")] == [FULL.id]
        assert await records.images.at_path("/images/debian-12.qcow2", "node-9") == ()


async def test_the_filters_narrow_the_list(database: Database) -> None:
    raw = an_image("raw", format=ImageFormat.RAW, labels={"team": "blue", "tier": "gold"}, project_id="p2")
    await keep(database, FULL, raw)
    assert await listed(database, ImageFilter()) == [FULL.id, "raw"]
    assert await listed(database, ImageFilter(project_id="p2")) == ["raw"]
    assert await listed(database, ImageFilter(labels={"team": "blue"})) == [FULL.id, "raw"]
    assert await listed(database, ImageFilter(labels={"team": "blue", "tier": "gold"})) == ["raw"]
    assert await listed(database, ImageFilter(labels={'odd "key"': "x' OR 1=1"})) == [FULL.id]
    assert await listed(database, ImageFilter(os_families=frozenset({OsFamily.LINUX}))) == [FULL.id]
    assert await listed(database, ImageFilter(visibilities=frozenset({Visibility.PRIVATE}))) == ["raw"]
    assert await listed(database, ImageFilter(formats=frozenset({ImageFormat.RAW}))) == ["raw"]


async def test_pages_hold_every_image_once_while_others_are_added(database: Database) -> None:
    ages = [an_image(f"i{n}", created_at=NOW + timedelta(seconds=n // 2)) for n in range(7)]
    await keep(database, *ages)
    seen: list[str] = []
    after = None
    for turn in range(4):
        async with database.read() as records:
            page = await records.images.list(ImageFilter(), PageRequest(size=2, after=after))
        assert page.total == 7 + turn
        seen += [image.id for image in page.items]
        after = page.next
        await keep(database, an_image(f"late{turn}", created_at=NOW + timedelta(hours=1)))
    assert seen == ["i6", "i5", "i4", "i3", "i2", "i1", "i0"]
    assert after is None


async def test_a_removed_image_leaves_nothing(database: Database) -> None:
    await keep(database, FULL)
    async with database.write() as records:
        await records.images.remove(FULL.id)
        await records.images.remove("never there")
    async with database.read() as records:
        assert await records.images.get(FULL.id) is None
        assert await records.images.on_node("node-1") == ()
    await keep(database, an_image("heir", name=FULL.name))


async def test_the_vms_on_an_image_are_named(database: Database) -> None:
    await keep(database, FULL)
    async with database.write() as records:
        await records.vms.save(a_vm("v1", name="web", image_id=FULL.id))
        await records.vms.save(a_vm("v2", name="db", image_id=FULL.id))
        await records.vms.save(a_vm("v3", name="other", image_id="another"))
        assert await records.images.used_by(FULL.id) == ("db", "web")


async def test_a_name_points_to_one_of_its_versions(database: Database) -> None:
    old = an_image("one", name="golden", current=False)
    new = an_image("two", name="golden", version=2)
    draft = an_image("three", name="golden", version=3, current=False)
    await keep(database, old, new, draft)
    async with database.read() as records:
        assert [i.id for i in await records.images.named("golden")] == ["two"]
        assert [i.id for i in await records.images.versions("GOLDEN", "default")] == ["three", "two", "one"]
        assert await records.images.versions("golden", "another") == ()
    assert await listed(database, ImageFilter()) == ["two"]
    assert await listed(database, ImageFilter(all_versions=True)) == ["one", "three", "two"]
    with pytest.raises(NameTaken):
        await keep(database, replace(draft, current=True))
    await keep(database, replace(new, current=False), replace(draft, current=True))
    assert await listed(database, ImageFilter()) == ["three"]


async def test_every_change_has_a_later_number(database: Database) -> None:
    await keep(database, an_image("one"), an_image("two"))
    await keep(database, an_image("one", description="changed"))
    async with database.read() as records:
        one, two = await records.images.get("one"), await records.images.get("two")
        node = await records.nodes.get("node-1")
    assert one
    assert two
    assert node
    assert one.sequence == node.sequence > two.sequence > 0


async def test_followers_hear_of_commits_and_of_nothing_else(database: Database) -> None:
    with database.follow() as changed:
        await keep(database, an_image("one"))
        await asyncio.wait_for(changed.wait(), 5)
        async with database.read() as records:
            await records.images.get("one")
        with pytest.raises(NameTaken):
            await keep(database, an_image("two"), an_image("three", name="two"))
        waiting = asyncio.ensure_future(changed.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
