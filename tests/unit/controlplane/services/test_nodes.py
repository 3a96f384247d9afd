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
