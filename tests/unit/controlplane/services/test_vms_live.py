"""VMs that exist: found, listed, started, stopped, deleted, watched, and reported on by their nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from image_library.controlplane.ports.vms import VmFilter
from image_library.controlplane.services.vms import Deletion
from image_library.domain.errors import (
    InvalidRequest,
    NodeUnreachable,
    UnknownVm,
    VmNotRunning,
    VmRunning,
)
from image_library.domain.image import Visibility
from image_library.domain.job import JobState
from image_library.domain.node import NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.paging import PageRequest
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, Vm, VmReport
from tests.fakes.control_clock import settle
from tests.fakes.control_values import a_node, a_published_image, a_ready_image, a_vm
from tests.fakes.control_vms import VmPlane, a_wish

GENTLY, FORCED, FORGET = Deletion(), Deletion(force=True), Deletion(forget_only=True)
EVERYTHING = PageRequest(size=50)


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    os = OsInfo(distribution="debian", default_user="debian")
    image = a_ready_image(name="debian-12", os=os, visibility=Visibility.PUBLIC)
    await made.know(a_node(), image)
    yield made
    await made.close()


@pytest.fixture
async def vm(plane: VmPlane) -> Vm:
    """A VM that runs."""
    return await plane.vms.create(a_wish(image="image-1"))


# Found and listed


async def test_a_vm_is_found_by_its_id_and_by_its_name(plane: VmPlane, vm: Vm) -> None:
    assert await plane.vms.get(vm.id) == await plane.vms.get("web")


async def test_an_unknown_vm_is_not_found(plane: VmPlane) -> None:
    with pytest.raises(UnknownVm, match="'nothing'"):
        await plane.vms.get("nothing")


async def test_a_name_in_two_projects_needs_the_id(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.create(a_wish(image="image-1", project_id="other"))
    with pytest.raises(InvalidRequest, match="2 VMs"):
        await plane.vms.get("web")
    assert (await plane.vms.get(vm.id)).id == vm.id


async def test_vms_are_listed_by_project_label_state_and_node(plane: VmPlane, vm: Vm) -> None:
    other = await plane.vms.create(
        a_wish("db", "image-1", project_id="other", labels={"tier": "data"}, start_on_create=False)
    )
    filters = {
        "web": [VmFilter(project_id="default"), VmFilter(states=frozenset({PowerState.RUNNING}))],
        "db": [
            VmFilter(project_id="other"),
            VmFilter(labels={"tier": "data"}),
            VmFilter(states=frozenset({PowerState.STOPPED})),
        ],
    }
    for name, matching in filters.items():
        for one in matching:
            assert [v.name for v in (await plane.vms.list(one, EVERYTHING)).items] == [name]
    assert (await plane.vms.list(VmFilter(node_id="node-1"), EVERYTHING)).total == 2
    assert (await plane.vms.list(VmFilter(node_id="node-2"), EVERYTHING)).total == 0
    assert other.labels == {"tier": "data"}


async def test_there_is_one_order(plane: VmPlane) -> None:
    await plane.vms.list(VmFilter(), EVERYTHING, order_by="created_at desc")
    with pytest.raises(InvalidRequest, match="newest first"):
        await plane.vms.list(VmFilter(), EVERYTHING, order_by="name")


async def test_a_vm_is_lost_from_sight_while_its_node_is_away(plane: VmPlane, vm: Vm) -> None:
    await plane.know(a_node(phase=NodePhase.OFFLINE))
    seen = await plane.vms.get(vm.id)
    assert seen.report.state is PowerState.LOST
    assert "does not answer" in seen.report.error_message
    lost = VmFilter(states=frozenset({PowerState.LOST}))
    assert (await plane.vms.list(lost, EVERYTHING)).total == 1
    running = VmFilter(states=frozenset({PowerState.RUNNING}))
    assert (await plane.vms.list(running, EVERYTHING)).total == 0
    await plane.know(a_node())
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING


# Started and stopped


async def test_stopping_asks_the_guest_for_a_minute(plane: VmPlane, vm: Vm) -> None:
    stopped = await plane.vms.stop("web", force=False)
    assert stopped.report.state is PowerState.STOPPED
    assert plane.node_vms.asked("stop 60") == [vm.id]


async def test_stopping_with_force_asks_nobody(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.stop("web", force=True)
    assert plane.node_vms.asked("force_stop") == [vm.id]


async def test_a_stopped_vm_starts_again_and_is_followed(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.stop("web", force=False, timeout_seconds=5)
    assert (await plane.vms.start("web")).report.state is PowerState.RUNNING
    await settle()
    plane.node_vms.say(vm.id, stage=BootStage.SSH)
    await settle()
    assert (await plane.vms.get(vm.id)).report.stage is BootStage.SSH


@pytest.mark.parametrize("seconds", [-1, 4000])
async def test_a_timeout_without_sense_is_refused(plane: VmPlane, vm: Vm, seconds: int) -> None:
    with pytest.raises(InvalidRequest, match="timeout_sec"):
        await plane.vms.stop(vm.id, force=False, timeout_seconds=seconds)


async def test_a_vm_that_is_being_made_is_neither_stopped_nor_started_twice(plane: VmPlane) -> None:
    making = await plane.vms.create(a_wish("new", "debian-12"))
    assert making.report.state is PowerState.PROVISIONING
    with pytest.raises(VmNotRunning, match="still being made"):
        await plane.vms.stop("new", force=True)
    assert (await plane.vms.start("new")).report.state is PowerState.PROVISIONING


async def test_an_away_node_can_be_asked_for_nothing(plane: VmPlane, vm: Vm) -> None:
    plane.node_vms.away.add("node-1")
    with pytest.raises(NodeUnreachable):
        await plane.vms.start(vm.id)
    with pytest.raises(NodeUnreachable):
        await plane.vms.stop(vm.id, force=True)


# Deleted


async def test_a_running_vm_is_deleted_with_force_only(plane: VmPlane, vm: Vm) -> None:
    with pytest.raises(VmRunning, match="'web' is running"):
        await plane.vms.delete("web", GENTLY)
    assert plane.node_vms.asked("delete") == []
    await plane.vms.delete("web", FORCED)
    assert plane.node_vms.asked("delete") == [vm.id]
    with pytest.raises(UnknownVm):
        await plane.vms.get(vm.id)


async def test_whether_it_runs_is_the_nodes_word(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.stop("web", force=False)
    plane.node_vms.say(vm.id, state=PowerState.RUNNING)
    with pytest.raises(VmRunning):
        await plane.vms.delete("web", GENTLY)


async def test_a_stopped_vm_is_deleted_and_its_image_is_free(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.stop("web", force=False)
    await plane.vms.delete("web", GENTLY)
    async with plane.database.read() as records:
        assert await records.images.used_by(vm.image_id) == ()


async def test_a_vm_that_its_node_lost_can_be_deleted(plane: VmPlane, vm: Vm) -> None:
    del plane.node_vms.reports[vm.id]
    await plane.vms.delete("web", GENTLY)
    assert await plane.all_vms() == []


async def test_a_vm_on_an_away_node_is_deleted_with_force_only(plane: VmPlane, vm: Vm) -> None:
    plane.node_vms.away.add("node-1")
    with pytest.raises(NodeUnreachable):
        await plane.vms.delete(vm.id, GENTLY)
    assert await plane.all_vms() == ["web"]
    await plane.vms.delete(vm.id, FORCED)
    assert await plane.all_vms() == []


async def test_forgetting_a_vm_touches_nothing_on_its_node(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.delete("web", FORGET)
    assert await plane.all_vms() == []
    assert plane.node_vms.asked("delete") == []
    assert plane.node_vms.reports[vm.id].state is PowerState.RUNNING


async def test_a_forgotten_vm_is_followed_no_more(plane: VmPlane, vm: Vm) -> None:
    await settle()
    assert plane.node_vms.streams == 1
    await plane.vms.delete("web", FORGET)
    await settle()
    assert plane.node_vms.streams == 0


# Watched


async def test_a_watcher_sees_the_state_now_and_each_stage_as_it_comes(plane: VmPlane, vm: Vm) -> None:
    async with aclosing(plane.vms.watch("web")) as states:
        assert (await anext(states)).report.stage is BootStage.BOOT
        for stage in (BootStage.NETWORK, BootStage.CLOUD_INIT, BootStage.SSH):
            plane.node_vms.say(vm.id, stage=stage)
            assert (await anext(states)).report.stage is stage
        plane.node_vms.say(vm.id, stage=BootStage.DONE, cloud_init=CloudInitStatus.DONE)
        assert (await anext(states)).report.cloud_init is CloudInitStatus.DONE


async def test_a_watch_ends_with_the_vm(plane: VmPlane, vm: Vm) -> None:
    async with aclosing(plane.vms.watch("web")) as states:
        await anext(states)
        rest = asyncio.ensure_future(collect(states))
        await settle()
        await plane.vms.delete("web", FORCED)
        assert [v.report.state for v in await rest] == []


async def collect(states: AsyncGenerator[Vm]) -> list[Vm]:
    return [vm async for vm in states]


async def test_a_watcher_sees_the_way_from_waiting_to_running(plane: VmPlane) -> None:
    vm = await plane.vms.create(a_wish("new", "debian-12"))
    async with aclosing(plane.vms.watch("new")) as states:
        assert (await anext(states)).report.state is PowerState.PROVISIONING
        seen = asyncio.ensure_future(until_running(states))
        await settle()
        await land(plane, vm)
        assert (await seen).report.state is PowerState.RUNNING


async def until_running(states: AsyncGenerator[Vm]) -> Vm:
    async for vm in states:
        if vm.report.state is PowerState.RUNNING:
            return vm
    raise AssertionError("the watch ended")


async def land(plane: VmPlane, vm: Vm) -> None:
    plane.nodes.say(vm.job_id, state=JobState.READY, published=a_published_image())


async def test_a_watcher_learns_that_the_node_went_away(plane: VmPlane, vm: Vm) -> None:
    async with aclosing(plane.vms.watch("web")) as states:
        await anext(states)
        await plane.know(a_node(phase=NodePhase.OFFLINE))
        next_state = asyncio.ensure_future(anext(states))
        await settle()
        await plane.clock.advance(5)
        assert (await next_state).report.state is PowerState.LOST


async def test_following_goes_on_when_the_node_is_back(plane: VmPlane, vm: Vm) -> None:
    await settle()
    plane.node_vms.lose_sight("node-1")
    await settle()
    plane.node_vms.away.clear()
    plane.node_vms.reports[vm.id] = replace(plane.node_vms.reports[vm.id], stage=BootStage.SSH)
    await plane.clock.advance(5)
    assert (await plane.vms.get(vm.id)).report.stage is BootStage.SSH


async def test_a_booted_vm_is_not_followed_for_nothing(plane: VmPlane, vm: Vm) -> None:
    await settle()
    assert plane.node_vms.streams == 1
    plane.node_vms.say(vm.id, stage=BootStage.DONE)
    await settle()
    assert plane.node_vms.streams == 0
    async with aclosing(plane.vms.watch("web")) as states:
        await anext(states)
        await settle()
        assert plane.node_vms.streams == 1
    await settle()
    assert plane.node_vms.streams == 0


async def test_a_booting_vm_is_followed_again_after_a_restart(plane: VmPlane, vm: Vm) -> None:
    again = await plane.restarted()
    await settle()
    plane.node_vms.say(vm.id, stage=BootStage.SSH)
    await settle()
    assert (await again.vms.get(vm.id)).report.stage is BootStage.SSH
    await again.close()


# The console


async def test_the_console_is_read_through_from_the_node(plane: VmPlane, vm: Vm) -> None:
    plane.node_vms.console = b"Debian GNU/Linux 12"
    async with aclosing(plane.vms.read_console("web", offset=7, follow=True)) as pieces:
        piece = await anext(pieces)
    assert (piece.offset, piece.data) == (7, b"GNU/Linux 12")
    assert plane.node_vms.asked("console True") == [vm.id]


async def test_a_vm_that_was_never_made_has_no_console(plane: VmPlane) -> None:
    await plane.vms.create(a_wish("new", "debian-12"))
    with pytest.raises(VmNotRunning, match="not been started"):
        await anext(plane.vms.read_console("new", offset=0, follow=False))


# What nodes say


def report(vm: Vm, **changes: object) -> VmReport:
    return replace(vm.report, **changes)  # pyright: ignore[reportArgumentType]


async def test_a_heartbeat_updates_the_vm(plane: VmPlane, vm: Vm) -> None:
    said = report(vm, state=PowerState.CRASHED, error_message="it crashed", name="another name")
    await plane.vms.record("node-1", (said,), complete=False)
    seen = await plane.vms.get(vm.id)
    assert (seen.report.state, seen.report.error_message, seen.name) == (
        PowerState.CRASHED,
        "it crashed",
        "web",
    )
    assert seen.report.name == "web"


async def test_a_node_speaks_for_its_own_vms_only(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.record("node-2", (report(vm, state=PowerState.CRASHED),), complete=True)
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING


async def test_a_vm_that_a_full_list_does_not_name_is_lost(plane: VmPlane, vm: Vm) -> None:
    await plane.vms.record("node-1", (), complete=True)
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING
    await plane.clock.advance(60)
    await plane.vms.record("node-1", (), complete=False)
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING
    await plane.vms.record("node-1", (), complete=True)
    lost = await plane.vms.get(vm.id)
    assert (lost.report.state, lost.report.error_message) == (
        PowerState.LOST,
        "The node no longer has this VM.",
    )
    await plane.vms.record("node-1", (report(vm),), complete=True)
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING


async def test_a_vm_that_waits_for_its_image_is_not_lost(plane: VmPlane) -> None:
    await plane.vms.create(a_wish("new", "debian-12"))
    await plane.clock.advance(60)
    await plane.vms.record("node-1", (), complete=True)
    assert (await plane.vms.get("new")).report.state is PowerState.PROVISIONING


async def test_the_moment_of_the_last_turn_is_kept(plane: VmPlane, vm: Vm) -> None:
    await plane.clock.advance(10)
    await plane.vms.record("node-1", (report(vm, stage=BootStage.SSH),), complete=False)
    seen = await plane.vms.get(vm.id)
    assert seen.updated_at > seen.state_changed_at
    await plane.vms.record("node-1", (report(vm, state=PowerState.STOPPED),), complete=False)
    seen = await plane.vms.get(vm.id)
    assert seen.updated_at == seen.state_changed_at


async def test_what_a_node_says_of_a_vm_that_is_not_known_is_nothing(plane: VmPlane) -> None:
    await plane.vms.record("node-1", (VmReport(vm_id="vm-9"),), complete=True)
    assert await plane.all_vms() == []


async def test_a_vm_that_failed_before_it_was_made_stays_as_it_is(plane: VmPlane) -> None:
    await plane.know(
        a_vm(
            node_id="node-1",
            report=VmReport(vm_id="vm-1", state=PowerState.STOPPED, stage=BootStage.IMAGE),
        )
    )
    await plane.clock.advance(60)
    await plane.vms.record("node-1", (), complete=True)
    assert (await plane.vms.get("vm-1")).report.state is PowerState.STOPPED


async def test_what_a_node_repeats_needs_no_database(plane: VmPlane, vm: Vm) -> None:
    said = (report(vm, stage=BootStage.SSH),)
    await plane.vms.record("node-1", said, complete=True)
    async with plane.database.write():
        # Whoever wanted to write would wait for us.
        await asyncio.wait_for(plane.vms.record("node-1", said, complete=True), 1)


async def test_what_a_node_repeats_counts_again_once_we_have_said_otherwise(plane: VmPlane, vm: Vm) -> None:
    said = (report(vm),)
    await plane.vms.record("node-1", said, complete=True)
    await plane.records.fail(vm.id, NodeUnreachable("It did not answer."))
    await plane.vms.record("node-1", said, complete=True)
    assert (await plane.vms.get(vm.id)).report.state is PowerState.RUNNING
    await plane.records.remove(vm.id)
    await plane.vms.record("node-1", said, complete=True)
    assert await plane.all_vms() == []
