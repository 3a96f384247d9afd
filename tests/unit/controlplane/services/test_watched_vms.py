"""VMs in the library's stream, as people see them: also when not they but what they stand on has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from image_library.controlplane.services.library_watch import LibraryWatch, Said
from image_library.domain.image import PlacementState
from image_library.domain.library_change import Change, ItemKind, Mark
from image_library.domain.node import Node, NodePhase
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import DIGEST, a_copy, a_node, a_ready_image, a_vm

Stream = AsyncGenerator[Said]
VMS = frozenset({ItemKind.VM})


@pytest.fixture
async def plane() -> AsyncGenerator[Plane]:
    plane = Plane()
    reader = asyncio.create_task(plane.watch.run())
    yield plane
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await plane.runs.close()


def running(vm_id: str = "web", node_id: str = "node-1") -> Vm:
    report = VmReport(vm_id=vm_id, state=PowerState.RUNNING, stage=BootStage.DONE)
    return a_vm(vm_id, node_id=node_id, image_id="image-1", image_digest=DIGEST, report=report)


def away(node_id: str = "node-1") -> Node:
    return a_node(node_id, phase=NodePhase.OFFLINE)


async def told(stream: Stream) -> Said:
    return await asyncio.wait_for(anext(stream), 5)


async def until_up_to_date(stream: Stream) -> list[Said]:
    said: list[Said] = []
    while not said or said[-1].what is not Mark.UP_TO_DATE:
        said.append(await told(stream))
    return said


def states(said: list[Said]) -> list[tuple[str, PowerState]]:
    changes = [s.what for s in said if isinstance(s.what, Change)]
    return [(c.id, c.item.report.state) for c in changes if isinstance(c.item, Vm)]


async def test_vms_are_told_when_they_come_change_and_go(plane: Plane) -> None:
    await plane.know(a_node(), running())
    async with aclosing(plane.watch.watch(kinds=VMS)) as stream:
        assert states(await until_up_to_date(stream)) == [("web", PowerState.RUNNING)]
        stopped = VmReport(vm_id="web", state=PowerState.STOPPED, stage=BootStage.DONE)
        await plane.know(running().evolve(report=stopped))
        said = await told(stream)
        assert states([said]) == [("web", PowerState.STOPPED)]
        assert said.sequence == await plane.database.sequence()
        async with plane.database.write() as records:
            await records.vms.remove("web")
        gone = (await told(stream)).what
        assert isinstance(gone, Change)
        assert (gone.kind, gone.id, gone.item) == (ItemKind.VM, "web", None)


async def test_a_vm_is_lost_from_sight_with_its_node_and_comes_back_with_it(plane: Plane) -> None:
    await plane.know(a_node(), a_node("node-2"), running(), running("db", "node-2"))
    async with aclosing(plane.watch.watch(kinds=VMS)) as stream:
        await until_up_to_date(stream)
        await plane.know(away())
        assert states([await told(stream)]) == [("web", PowerState.LOST)]
        await plane.know(a_node())
        assert states([await told(stream)]) == [("web", PowerState.RUNNING)]


async def test_a_node_that_says_no_news_tells_no_vms(plane: Plane) -> None:
    await plane.know(a_node(), running())
    async with aclosing(plane.watch.watch(kinds=VMS)) as stream:
        await until_up_to_date(stream)
        # What VMs are shown by is known from the first change on.
        await plane.know(running().evolve(description="first"))
        await told(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await plane.know(a_node(disk_used_bytes=10**9))
        await settle()
        assert not waiting.done()
        await plane.know(running().evolve(description="second"))
        assert states([await asyncio.wait_for(waiting, 5)]) == [("web", PowerState.RUNNING)]


async def test_a_broken_copy_is_told_of_the_vms_that_stand_on_it(plane: Plane) -> None:
    image = a_ready_image().evolve(placements=(a_copy("node-1"), a_copy("node-2")))
    await plane.know(a_node(), a_node("node-2"), image, running(), running("db", "node-2"))
    async with aclosing(plane.watch.watch(kinds=VMS)) as stream:
        await until_up_to_date(stream)
        # The reader knows what VMs are shown by.
        await plane.know(running("db", "node-2").evolve(description="x"))
        await told(stream)
        broken = replace(image.placements[0], state=PlacementState.DAMAGED)
        await plane.know(image.evolve(placements=(broken, image.placements[1])))
        said = (await told(stream)).what
        assert isinstance(said, Change)
        assert isinstance(said.item, Vm)
        assert said.id == "web"
        assert "damaged" in said.item.warnings[-1]


async def test_who_was_away_while_a_node_went_hears_of_its_vms(plane: Plane) -> None:
    await plane.know(a_node(), running())
    async with aclosing(plane.watch.watch(kinds=VMS)) as stream:
        reached = (await until_up_to_date(stream))[-1].sequence
    await plane.know(away())
    async with aclosing(plane.watch.watch(reached, VMS)) as stream:
        assert states(await until_up_to_date(stream)) == [("web", PowerState.LOST)]


async def test_a_node_that_goes_while_the_first_are_told_is_not_missed(plane: Plane) -> None:
    """No reader runs: what comes is what catching up reads."""
    await plane.know(a_node(), running())
    watch = LibraryWatch(database=plane.database, runs=plane.runs, clock=plane.clock)
    async with aclosing(watch.watch(kinds=VMS)) as stream:
        first = await told(stream)
        await plane.know(away())
        said = [first, *await until_up_to_date(stream)]
        assert states(said) == [("web", PowerState.RUNNING), ("web", PowerState.LOST)]
