"""What changed since a number, whoever keeps it: a follower that goes on from it has what is there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.records import Database
from image_library.domain.library_change import ItemKind
from tests.fakes.control_values import a_job, a_node, a_vm, an_image, an_order

ALL = frozenset(ItemKind)
State = dict[str, str]
Steps = list[tuple[str, str]]

# One transaction: what is done to which of a few images.
transactions = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(("save", "remove"))), max_size=6),
    max_size=12,
)


async def apply(database: Database, steps: Steps, number: int, alive: State) -> None:
    """Ids are made once: what was removed comes back under another."""
    async with database.write() as records:
        for name, what in steps:
            known = [image_id for image_id in alive if image_id.startswith(name)]
            if what == "save":
                image_id = known[0] if known else f"{name}-{number}-{len(alive)}"
                alive[image_id] = str(number)
                await records.images.save(an_image(image_id, name=name, description=str(number)))
            elif known:
                del alive[known[0]]
                await records.images.remove(known[0])


async def caught_up(database: Database, state: State, since: int, limit: int) -> int:
    while True:
        async with database.read() as records:
            changes, reached = await records.changes.since(since, ALL, limit=limit)
        assert all(since < change.sequence <= reached for change in changes)
        for change in changes:
            if change.item is None:
                state.pop(change.id, None)
            else:
                state[change.id] = getattr(change.item, "description", "")
        since = reached
        if not changes:
            return since


@pytest.mark.parametrize("memory", [True, False])
@settings(max_examples=40, deadline=None)
@given(history=transactions, limit=st.integers(1, 5), looks=st.frozensets(st.integers(0, 12)))
def test_a_follower_has_what_is_there(
    *, memory: bool, history: list[Steps], limit: int, looks: frozenset[int]
) -> None:
    async def follow() -> None:
        async with AsyncExitStack() as stack:
            path = Path(stack.enter_context(TemporaryDirectory())) / "c.db"
            database: Database = (
                MemoryDatabase() if memory else await stack.enter_async_context(open_database(path))
            )
            seen: State = {}
            alive: State = {}
            since = 0
            for number, steps in enumerate(history):
                await apply(database, steps, number, alive)
                if number in looks:
                    since = await caught_up(database, seen, since, limit)
            await caught_up(database, seen, since, limit)
            assert seen == alive

    asyncio.run(follow())


async def test_every_kind_is_told_with_its_number(database: Database) -> None:
    async with database.write() as records:
        await records.nodes.save(a_node())
        await records.images.save(an_image("one"))
    async with database.write() as records:
        await records.jobs.add(a_job(image_id="one"), an_order())
    async with database.read() as records:
        changes, reached = await records.changes.since(0, ALL, limit=10)
        told = [(change.kind.value, change.id) for change in changes]
        assert told == [("node", "node-1"), ("image", "one"), ("job", "job-1")]
        assert reached == changes[-1].sequence == await database.sequence()
        later, _ = await records.changes.since(changes[0].sequence, ALL, limit=10)
        assert [c.id for c in later] == ["job-1"]
        nothing, end = await records.changes.since(reached, ALL, limit=10)
        assert (nothing, end) == ((), reached)


async def test_a_vm_has_the_number_of_its_last_change_and_its_removal_one_too(database: Database) -> None:
    async with database.write() as records:
        await records.vms.save(a_vm("web"))
        await records.vms.save(a_vm("db"))
    first = await database.sequence()
    async with database.write() as records:
        await records.vms.save(a_vm("web", description="changed"))
    async with database.write() as records:
        await records.vms.remove("db")
    async with database.read() as records:
        changes, reached = await records.changes.since(first, frozenset({ItemKind.VM}), limit=10)
    assert [(c.id, c.sequence - first, c.item is None) for c in changes] == [
        ("web", 1, False),
        ("db", 2, True),
    ]
    assert changes[0].item == a_vm("web", description="changed")
    assert reached == first + 2


async def test_forgotten_removals_move_the_horizon(database: Database) -> None:
    async with database.write() as records:
        await records.images.save(an_image("one"))
        await records.images.save(an_image("two"))
    async with database.write() as records:
        await records.images.remove("one")
    removed_at = await database.sequence()
    async with database.write() as records:
        await records.images.remove("two")
    async with database.write() as records:
        assert await records.changes.horizon() == 0
        await records.changes.forget_removals(removed_at)
    async with database.read() as records:
        assert await records.changes.horizon() == removed_at
        changes, _ = await records.changes.since(1, ALL, limit=10)
        assert [c.id for c in changes] == ["two"]
