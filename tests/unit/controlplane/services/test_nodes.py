from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.services.download_runs import node_key
from image_library.domain.errors import InvalidRequest, NodeDuplicate, UnknownNode
from image_library.domain.node import Heartbeat, NodePhase, Registration
from image_library.domain.paging import PageRequest
from image_library.domain.vm import VmReport
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_node

BOX = Registration(
    node_id="n1", hostname="box", agent_endpoint="10.0.0.5:8007", architecture="x86_64", store_id="s1"
)


@pytest.fixture
async def watched(plane: Plane) -> AsyncGenerator[Plane]:
    task = asyncio.create_task(plane.registry.watch())
    await settle()
    yield plane
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_node_keeps_the_id_that_it_brings(plane: Plane) -> None:
    node = await plane.registry.register(BOX)
    assert (node.id, node.phase, node.hostname, node.store_id) == ("n1", NodePhase.READY, "box", "s1")
    again = await plane.registry.register(replace(BOX, version="2"))
    assert (again.id, again.version, again.created_at) == ("n1", "2", node.created_at)


async def test_an_old_client_is_known_by_its_name_and_endpoint(plane: Plane) -> None:
    old = replace(BOX, node_id="")
    first, again = await plane.registry.register(old), await plane.registry.register(old)
    other = await plane.registry.register(replace(old, agent_endpoint="10.0.0.6:8007"))
    assert first.id == again.id != other.id


async def test_a_node_may_come_back_on_another_port(plane: Plane) -> None:
    await plane.registry.register(BOX)
    moved = await plane.registry.register(replace(BOX, agent_endpoint="10.0.0.5:9999"))
    assert (moved.id, moved.agent_endpoint) == ("n1", "10.0.0.5:9999")


async def test_a_second_running_node_with_the_same_id_is_refused(plane: Plane) -> None:
    await plane.registry.register(BOX)
    plane.nodes.identities["10.0.0.5:8007"] = "n1"
    with pytest.raises(NodeDuplicate, match=r"10\.0\.0\.5:8007"):
        await plane.registry.register(replace(BOX, agent_endpoint="10.0.0.6:8007"))
    plane.nodes.identities["10.0.0.5:8007"] = "somebody else on that port"
    await plane.registry.register(replace(BOX, agent_endpoint="10.0.0.6:8007"))


async def test_a_swapped_store_is_noticed(plane: Plane) -> None:
    await plane.registry.register(BOX)
    swapped = await plane.registry.register(replace(BOX, store_id="s2"))
    assert swapped.store_id == "s1"
    assert "store" in swapped.error_message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostname", ""),
        ("hostname", "new\nline"),
        ("hostname", "x" * 300),
        ("agent_endpoint", ""),
        ("agent_endpoint", "no-port"),
        ("agent_endpoint", "host:0"),
        ("agent_endpoint", "host:65536"),
        ("agent_endpoint", "host:²"),
        ("node_id", "\x00"),
    ],
)
async def test_a_registration_that_cannot_be_is_refused(plane: Plane, field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await plane.registry.register(replace(BOX, **{field: value}))  # pyright: ignore[reportArgumentType]
    assert refused.value.field == field


async def test_a_beat_is_noted_and_its_vms_handed_on(plane: Plane) -> None:
    await plane.registry.register(BOX)
    vms = (VmReport(vm_id="v1"),)
    beat = Heartbeat(node_id="n1", running_vm_count=1, disk_used_bytes=2, disk_total_bytes=9, vms=vms)
    assert await plane.registry.beat(beat)
    node = await plane.node("n1")
    assert (node.running_vm_count, node.free_bytes, node.last_heartbeat) == (1, 7, plane.clock.now())
    assert plane.reports.heard == [("n1", vms, False)]


async def test_a_beat_of_a_stranger_asks_it_to_register(plane: Plane) -> None:
    assert not await plane.registry.beat(Heartbeat(node_id="who"))
    assert plane.reports.heard == []


async def test_three_missed_beats_make_a_node_offline_and_one_brings_it_back(watched: Plane) -> None:
    await watched.registry.register(BOX)
    for _ in range(5):
        await watched.clock.advance(5)
    assert (await watched.node("n1")).phase is NodePhase.READY
    for _ in range(3):
        await watched.clock.advance(5)
    assert (await watched.node("n1")).phase is NodePhase.OFFLINE
    with watched.changes.follow(node_key("n1")) as bell:
        await watched.registry.beat(Heartbeat(node_id="n1"))
        await asyncio.wait_for(bell.wait(), 1)
    assert (await watched.node("n1")).phase is NodePhase.READY


async def test_after_a_restart_every_node_has_its_three_beats(plane: Plane) -> None:
    await plane.know(a_node())
    task = asyncio.create_task(plane.registry.watch())
    await settle()
    for _ in range(5):
        await plane.clock.advance(5)
    assert (await plane.node("node-1")).phase is NodePhase.READY
    for _ in range(3):
        await plane.clock.advance(5)
    assert (await plane.node("node-1")).phase is NodePhase.OFFLINE
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nodes_are_found_by_id_and_host_name(plane: Plane) -> None:
    await plane.registry.register(BOX)
    assert (await plane.registry.get("n1")).id == (await plane.registry.get("box")).id == "n1"
    with pytest.raises(UnknownNode):
        await plane.registry.get("boxes")
    assert (await plane.registry.list(NodeFilter(), PageRequest())).total == 1


@pytest.mark.parametrize(
    "endpoint",
    ["", "10.0.0.5", "http://10.0.0.5:1", "dns:///x:1", "a b:1", "unix:/x:1", "h:0", "h:" + "9" * 30],
)
async def test_an_endpoint_is_a_host_and_a_port_and_nothing_else(plane: Plane, endpoint: str) -> None:
    with pytest.raises(InvalidRequest, match="HOST:PORT"):
        await plane.registry.register(replace(BOX, agent_endpoint=endpoint))


@pytest.mark.parametrize("endpoint", ["box.lan:8007", "[::1]:8007", "[fe80::1%eth0]:8007"])
async def test_names_and_addresses_are_endpoints(plane: Plane, endpoint: str) -> None:
    node = await plane.registry.register(replace(BOX, agent_endpoint=endpoint))
    assert node.agent_endpoint == endpoint


def says(**facts: object) -> Heartbeat:
    usual = {"node_id": "n1", "running_vm_count": 1, "disk_total_bytes": 1000, "disk_used_bytes": 100}
    return Heartbeat(**{**usual, **facts})  # pyright: ignore[reportArgumentType]


async def test_beats_that_say_the_same_are_not_written_but_shown(plane: Plane) -> None:
    await plane.registry.register(BOX)
    await plane.registry.beat(says())
    stored, before = await plane.node("n1"), await plane.database.sequence()
    await plane.clock.advance(10)
    await plane.registry.beat(says(disk_used_bytes=500))
    assert (await plane.node("n1"), await plane.database.sequence()) == (stored, before)
    shown = await plane.registry.get("n1")
    assert (shown.last_heartbeat, shown.disk_used_bytes) == (plane.clock.now(), 500)
    listed = await plane.registry.list(NodeFilter(), PageRequest())
    assert listed.items == (shown,)


@pytest.mark.parametrize(
    "facts", [{"running_vm_count": 2}, {"disk_total_bytes": 2000}, {"error_message": "No."}]
)
async def test_what_turns_is_written_at_once(plane: Plane, facts: dict[str, object]) -> None:
    await plane.registry.register(BOX)
    await plane.registry.beat(says())
    before = await plane.database.sequence()
    await plane.registry.beat(says(**facts))
    assert await plane.database.sequence() == before + 1


async def test_beats_are_stored_together_and_only_news_is_told(plane: Plane) -> None:
    for name in ("n1", "n2"):
        await plane.registry.register(replace(BOX, node_id=name, hostname=name))
        await plane.registry.beat(says(node_id=name))
    before = await plane.database.sequence()
    await plane.clock.advance(10)
    await plane.registry.beat(says(disk_used_bytes=105))
    await plane.registry.beat(says(node_id="n2", disk_used_bytes=105))
    await plane.registry.store_beats()
    assert (await plane.node("n1")).last_heartbeat == plane.clock.now()
    assert await plane.database.sequence() == before
    await plane.clock.advance(10)
    await plane.registry.beat(says(disk_used_bytes=300))
    await plane.registry.store_beats()
    assert (await plane.node("n1")).sequence == before + 1 == await plane.database.sequence()
    assert (await plane.node("n2")).sequence < before + 1


async def test_they_are_stored_every_half_minute(watched: Plane) -> None:
    await watched.registry.register(BOX)
    await watched.registry.beat(says())
    for _ in range(8):
        await watched.clock.advance(5)
        await watched.registry.beat(says(disk_used_bytes=101))
    stored = (await watched.node("n1")).last_heartbeat
    assert stored is not None
    assert (watched.clock.now() - stored).total_seconds() <= 15


async def test_a_node_in_trouble_is_not_ready_until_it_is_well(plane: Plane) -> None:
    await plane.registry.register(BOX)
    await plane.registry.beat(says(error_message="/blobs is not the directory that this node knows."))
    node = await plane.node("n1")
    assert (node.phase, "blobs" in node.error_message) == (NodePhase.NOT_READY, True)
    with plane.changes.follow(node_key("n1")) as bell:
        await plane.registry.beat(says())
        await asyncio.wait_for(bell.wait(), 1)
    node = await plane.node("n1")
    assert (node.phase, node.error_message) == (NodePhase.READY, "")


async def test_a_node_in_trouble_is_offline_when_it_is_silent(watched: Plane) -> None:
    await watched.registry.register(BOX)
    await watched.registry.beat(says(error_message="Its disk is gone."))
    for _ in range(8):
        await watched.clock.advance(5)
    assert (await watched.node("n1")).phase is NodePhase.OFFLINE


async def test_who_was_away_is_asked_for_everything_once(watched: Plane) -> None:
    await watched.registry.register(BOX)
    answers = [await watched.registry.beat(says())]
    for _ in range(8):
        await watched.clock.advance(5)
    answers += [await watched.registry.beat(says()), await watched.registry.beat(says())]
    assert [a is not None and a.inventory_wanted for a in answers] == [False, True, False]


async def test_after_a_restart_everybody_is_asked_and_nothing_is_written(plane: Plane) -> None:
    await plane.know(a_node(last_heartbeat=plane.clock.now(), running_vm_count=1, disk_total_bytes=1000))
    await plane.know(a_node("gone", phase=NodePhase.OFFLINE, last_heartbeat=plane.clock.now()))
    async with plane.beside(plane.registry.watch()):
        before = await plane.database.sequence()
        answer = await plane.registry.beat(says(node_id="node-1"))
        assert answer is not None
        assert answer.inventory_wanted
        assert await plane.database.sequence() == before
        await plane.registry.beat(says(node_id="gone"))
        assert (await plane.node("gone")).phase is NodePhase.READY
