"""Tombstones and notes of removals, in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from image_library.controlplane.ports.records import Database
from image_library.domain.garbage import Tombstone
from tests.fakes.control_values import DIGEST, NOW, OTHER_DIGEST, a_node, a_vm, an_image

STONE = Tombstone(digest=DIGEST, image_id="image-1", name="web", deleted_at=NOW)


async def test_a_tombstone_is_kept_replaced_and_lifted(database: Database) -> None:
    waiting = STONE.waits_for("node-1", "node-2")
    async with database.write() as records:
        await records.tombstones.save(waiting)
        await records.tombstones.save(waiting.cleared_by("node-1", NOW))
        assert await records.tombstones.get(DIGEST) == STONE.waits_for("node-2")
        assert await records.tombstones.get(OTHER_DIGEST) is None
        await records.tombstones.lift(DIGEST)
        await records.tombstones.lift(DIGEST)
        assert await records.tombstones.get(DIGEST) is None


async def test_those_that_wait_and_those_that_are_over_are_told_apart(database: Database) -> None:
    over = Tombstone(digest=OTHER_DIGEST, image_id="b", name="db", deleted_at=NOW, cleared_at=NOW)
    async with database.write() as records:
        await records.tombstones.save(STONE.waits_for("node-1"))
        await records.tombstones.save(over)
    async with database.read() as records:
        assert await records.tombstones.waiting() == (STONE.waits_for("node-1"),)
        assert await records.tombstones.expired(NOW) == ()
        assert await records.tombstones.expired(NOW + timedelta(seconds=1)) == (over,)


async def test_the_last_node_ends_the_waiting(database: Database) -> None:
    stone = STONE.waits_for("node-1").cleared_by("node-1", NOW)
    assert (stone.waiting, stone.cleared_at) == (frozenset(), NOW)
    async with database.write() as records:
        await records.tombstones.save(stone)
        assert await records.tombstones.waiting() == ()
        assert await records.tombstones.get(DIGEST) == stone


async def test_old_removals_are_found_by_their_time_and_forgotten_by_their_number(database: Database) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    async with database.write() as records:
        await records.images.save(an_image())
    async with database.write() as records:
        await records.images.remove("image-1")
    async with database.write() as records:
        assert await records.changes.removals_before(later - timedelta(days=1)) == (0, 0)
        assert await records.changes.removals_before(later) == (1, 2)
        await records.changes.forget_removals(2)
        assert await records.changes.removals_before(later) == (0, 0)
        assert await records.changes.horizon() == 2


async def test_the_vms_of_an_image_are_found_by_name(database: Database) -> None:
    async with database.write() as records:
        await records.nodes.save(a_node())
        for name, image_id in (("web", "image-1"), ("db", "image-1"), ("own", ""), ("far", "image-2")):
            await records.vms.save(a_vm(name, image_id=image_id))
    async with database.read() as records:
        assert [vm.name for vm in await records.vms.using("image-1")] == ["db", "web"]
        assert await records.vms.using("") == ()
