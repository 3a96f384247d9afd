"""What the control plane collects, and what it asks of nodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from image_library.controlplane.services.garbage import FAILED_DAYS, REMOVAL_DAYS, TOMBSTONE_DAYS
from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder, Tombstone
from image_library.domain.image import ImagePhase
from image_library.domain.inventory import Inventory
from image_library.domain.node import NodePhase
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    NOW,
    OTHER_DIGEST,
    a_copy,
    a_job,
    a_node,
    a_ready_image,
    a_vm,
    an_image,
)

LONG_AGO = NOW - timedelta(days=FAILED_DAYS, seconds=1)
PART = GarbageItem(kind=GarbageKind.PART, name="abc.part", node_id="node-1", bytes=7, reason="Nobody.")


async def test_only_what_failed_long_ago_and_is_nowhere_goes(plane: Plane) -> None:
    await plane.know(
        a_node(),
        an_image("dead", phase=ImagePhase.ERROR, updated_at=LONG_AGO),
        an_image("young", phase=ImagePhase.ERROR, updated_at=NOW),
        an_image("kept", phase=ImagePhase.ERROR, updated_at=LONG_AGO, protected=True),
        an_image("placed", phase=ImagePhase.ERROR, updated_at=LONG_AGO, placements=(a_copy(),)),
        an_image("evicted", phase=ImagePhase.ERROR, updated_at=LONG_AGO, digest=DIGEST),
        an_image("used", phase=ImagePhase.ERROR, updated_at=LONG_AGO),
        an_image("coming", phase=ImagePhase.ERROR, updated_at=LONG_AGO),
        a_vm(image_id="used"),
        a_job(image_id="coming"),
    )
    dry = await plane.garbage.collect(dry_run=True, unasked=True)
    wet = await plane.garbage.collect(unasked=True)
    assert [(i.kind, i.name) for i in dry.items] == [(GarbageKind.RECORD, "dead")]
    assert dry.items == wet.items
    assert (await plane.garbage.collect(unasked=True)).items == []


async def test_the_name_of_a_dead_record_points_to_what_is_left(plane: Plane) -> None:
    dead = an_image("v2", name="web", version=2, phase=ImagePhase.ERROR, updated_at=LONG_AGO)
    await plane.know(a_node(), a_ready_image("v1", name="web", current=False), dead)
    await plane.garbage.collect(unasked=True)
    assert (await plane.images.get("web")).id == "v1"


async def test_a_tombstone_stays_for_a_month_after_the_last_node(plane: Plane) -> None:
    waiting = frozenset({"node-9"})
    cleared = {"a": TOMBSTONE_DAYS + 1, "b": TOMBSTONE_DAYS - 1}
    async with plane.database.write() as records:
        for name, days in cleared.items():
            await records.tombstones.save(stone(name, cleared_at=NOW - timedelta(days=days)))
        await records.tombstones.save(stone("c", waiting=waiting))
    found = await plane.garbage.collect()
    assert [(i.kind, i.name) for i in found.items] == [(GarbageKind.TOMBSTONE, "a")]
    async with plane.database.read() as records:
        kept = [await records.tombstones.get(f"sha256:{name}") is not None for name in "abc"]
    assert kept == [False, True, True]


def stone(
    name: str, *, waiting: frozenset[str] = frozenset(), cleared_at: datetime | None = None
) -> Tombstone:
    long_ago = NOW - timedelta(days=90)
    return Tombstone(
        digest=f"sha256:{name}",
        image_id=name,
        name=name,
        deleted_at=long_ago,
        waiting=waiting,
        cleared_at=cleared_at,
    )


async def test_old_notes_of_removals_are_dropped_and_new_ones_kept(plane: Plane) -> None:
    await plane.know(an_image("gone"))
    async with plane.database.write() as records:
        await records.images.remove("gone")
    # The notes carry the machine's own time.
    await plane.clock.advance((datetime.now(UTC) - plane.clock.now()).total_seconds())
    assert (await plane.garbage.collect(unasked=True)).items == []
    await plane.clock.advance(timedelta(days=REMOVAL_DAYS, hours=1).total_seconds())
    [dry] = (await plane.garbage.collect(dry_run=True, unasked=True)).items
    assert (dry.kind, dry.name) == (GarbageKind.REMOVAL, "1 notes of removals")
    assert (await plane.garbage.collect(unasked=True)).items == [dry]
    assert (await plane.garbage.collect(unasked=True)).items == []
    async with plane.database.read() as records:
        assert await records.changes.horizon() == 2


async def test_a_node_is_told_what_is_known_there_after_it_was_looked_at(plane: Plane) -> None:
    elsewhere = a_ready_image("other", "node-2", digest=OTHER_DIGEST)
    await plane.know(a_node(), a_node("node-2", phase=NodePhase.OFFLINE), a_ready_image(), elsewhere)
    plane.nodes.inventories["node-1"] = Inventory(node_id="node-1")
    plane.nodes.garbage["node-1"] = (PART,)
    report = await plane.garbage.collect(dry_run=True)
    [order] = plane.nodes.garbage_orders
    assert order == GarbageOrder(dry_run=True, known=frozenset({DIGEST}), complete=True)
    assert (report.items, report.bytes) == ([PART], 7)
    assert report.errors == ["node-2.example is away; it was not looked at."]


async def test_unasked_only_what_is_safe_goes(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    await plane.garbage.collect(unasked=True)
    assert plane.nodes.garbage_orders == [GarbageOrder()]


async def test_a_node_that_does_not_answer_is_one_sentence(plane: Plane) -> None:
    await plane.know(a_node(), a_node("node-2"))
    plane.nodes.inventories["node-2"] = Inventory(node_id="node-2")
    plane.nodes.garbage["node-2"] = (PART,)
    plane.nodes.go_away("node-1")
    report = await plane.garbage.collect()
    assert report.items == [PART]
    assert report.errors == ["node-1.example: Node node-1.example does not answer."]


async def test_it_is_collected_once_an_interval_or_never(plane: Plane) -> None:
    await plane.know(a_node())
    async with plane.beside(plane.garbage.run(24)):
        await plane.clock.advance(24 * 3600)
        await plane.clock.advance(24 * 3600)
        assert len(plane.nodes.garbage_orders) == 2
    await plane.garbage.run(0)
    assert len(plane.nodes.garbage_orders) == 2
