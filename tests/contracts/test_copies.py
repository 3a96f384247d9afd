"""What every record of images' copies, and saving of many at once, does alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_library.controlplane.ports.copies import Copy, Place
from image_library.controlplane.ports.records import Database
from image_library.domain.errors import NameTaken
from image_library.domain.image import ImagePhase, PlacementState
from image_library.domain.node import NodePhase
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_copy, a_node, a_ready_image, an_image

GONE = replace(a_copy("node-2"), state=PlacementState.UNAVAILABLE)


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.write() as records:
        for node in ("node-1", "node-2", "node-3"):
            await records.nodes.save(a_node(node))
        await records.images.save_all(
            [
                a_ready_image("one", placements=(a_copy(), GONE), labels={"a": "1"}),
                a_ready_image("two", "node-2", catalog_id="debian-12"),
                a_ready_image("three", digest=OTHER_DIGEST, phase=ImagePhase.ERROR),
                an_image("old", name="Two", version=2, current=False),
            ]
        )
    return database


async def test_copies_on_a_node_are_told_without_their_images(filled: Database) -> None:
    async with filled.read() as records:
        found = {copy.image_id: copy for copy in await records.copies.on_node("node-2")}
        assert await records.copies.on_node("node-3") == ()
    assert found == {
        "one": Copy(
            image_id="one",
            digest=DIGEST,
            catalog_id="",
            phase=ImagePhase.READY,
            pool_id=GONE.pool_id,
            path=GONE.path,
            state=PlacementState.UNAVAILABLE,
            verified_at=GONE.verified_at,
        ),
        "two": Copy(
            image_id="two",
            digest=DIGEST,
            catalog_id="debian-12",
            phase=ImagePhase.READY,
            pool_id="store-of-node-2",
            path=GONE.path,
            state=PlacementState.READY,
            verified_at=GONE.verified_at,
        ),
    }


async def test_holders_images_and_counts(filled: Database) -> None:
    async with filled.read() as records:
        copies = records.copies
        assert await copies.holders({DIGEST, "sha256:" + "0" * 64}) == {DIGEST: frozenset({"one", "two"})}
        assert await copies.holders(()) == {}
        assert {image.id for image in await copies.images({"one", "old", "no"})} == {"one", "old"}
        assert await copies.counts({"node-1", "node-2", "node-3"}) == {"node-1": 2, "node-2": 1, "node-3": 0}


async def test_taken_names_are_those_that_point_somewhere(filled: Database) -> None:
    async with filled.write() as records:
        await records.images.save(an_image("other", name="elsewhere", project_id="another"))
    async with filled.read() as records:
        asked = {"one", "two", "old", "elsewhere", "free"}
        assert await records.copies.taken(asked, "default") == {"one", "two"}
        many = {f"name-{number}" for number in range(2500)} | {"three"}
        assert await records.copies.taken(many, "default") == {"three"}


async def test_many_images_are_added_and_replaced_at_once(filled: Database) -> None:
    async with filled.write() as records:
        one = await records.images.get("one")
        assert one is not None
        changed = one.evolve(labels={"b": "2"}, placements=(a_copy("node-3"),))
        await records.images.save_all([changed, a_ready_image("four", digest="")])
    async with filled.read() as records:
        stored, four = await records.images.get("one"), await records.images.get("four")
        assert stored == changed
        assert four is not None
        assert stored is not None
        assert stored.sequence == four.sequence == await filled.sequence()
        assert [copy.image_id for copy in await records.copies.on_node("node-3")] == ["one"]
        assert {image.id for image in await records.images.on_node("node-1")} == {"three", "four"}


async def test_of_many_images_one_with_a_taken_name_keeps_all_out(filled: Database) -> None:
    async def save() -> None:
        async with filled.write() as records:
            await records.images.save_all([an_image("new"), an_image("another", name="ONE")])

    with pytest.raises(NameTaken):
        await save()
    async with filled.read() as records:
        assert await records.images.get("new") is None


async def test_a_node_can_be_kept_without_telling_anybody(filled: Database) -> None:
    before = await filled.sequence()
    async with filled.write() as records:
        node = await records.nodes.get("node-1")
        assert node is not None
        kept = node.evolve(disk_used_bytes=7, phase=NodePhase.NOT_READY)
        await records.nodes.keep([kept])
        await records.nodes.keep([])
    async with filled.read() as records:
        stored = await records.nodes.get("node-1")
    assert stored == kept
    assert stored is not None
    assert (stored.sequence, await filled.sequence()) == (node.sequence, before)


async def test_copies_are_found_by_their_state(filled: Database) -> None:
    async with filled.read() as records:
        gone = await records.copies.in_state(PlacementState.UNAVAILABLE)
        assert await records.copies.in_state(PlacementState.DAMAGED) == frozenset()
    assert gone == {Place(image_id="one", node_id="node-2")}
