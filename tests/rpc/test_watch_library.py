"""WatchLibrary through the door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller
from tests.support.rpc import Json, RpcError

WATCH = f"{IMAGES}/WatchLibrary"


async def following(stream: AsyncGenerator[Json]) -> Json:
    return await asyncio.wait_for(anext(stream), 10)


async def up_to_date(stream: AsyncGenerator[Json]) -> list[Json]:
    said: list[Json] = []
    while not said or "upToDate" not in said[-1]:
        said.append(await following(stream))
    return said


async def test_a_watcher_hears_of_nodes_jobs_and_images(call: Caller, node: FakeNodeDaemon) -> None:
    async with aclosing(call.stream(WATCH, {})) as stream:
        first = await up_to_date(stream)
        assert [said["node"]["id"] for said in first if "node" in said] == ["node-1"]
        job = (await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}))["jobId"]
        kinds: set[str] = set()
        reached = "0"
        while not kinds >= {"image", "job"}:
            said = await following(stream)
            kinds |= set(said) - {"sequence"}
            if "job" in said:
                assert said["job"]["jobId"] == job
            if "image" in said:
                assert said["image"]["status"]["placements"][0]["nodeId"] == "node-1"
            reached = said["sequence"]
    async with aclosing(call.stream(WATCH, {"sinceSequence": reached, "kinds": ["node"]})) as stream:
        assert [set(said) - {"sequence"} for said in await up_to_date(stream)] == [{"upToDate"}]


async def test_vms_are_told_to_those_who_name_them(call: Caller, node: FakeNodeDaemon) -> None:
    wish = {"name": "web", "spec": {"disks": [{"image": "debian-12"}]}}
    async with aclosing(call.stream(WATCH, {"kinds": ["vm"]})) as stream:
        await up_to_date(stream)
        made = await call("limiquantix.compute.v1.VMService/CreateVM", wish)
        told = await following(stream)
        assert (told["vm"]["id"], told["vm"]["name"]) == (made["id"], "web")
        async with aclosing(call.stream(WATCH, {})) as usual:
            kinds = {kind for said in await up_to_date(usual) for kind in said}
            assert "node" in kinds
            assert "vm" not in kinds
        await call("limiquantix.compute.v1.VMService/DeleteVM", {"id": made["id"], "force": True})
        while "removed" not in told:
            told = await following(stream)
        assert told["removed"] == {"kind": "vm", "id": made["id"]}


async def test_an_unknown_kind_is_refused(call: Caller) -> None:
    async with aclosing(call.stream(WATCH, {"kinds": ["cloud"]})) as stream:
        with pytest.raises(RpcError, match="'cloud' is none of image, job, node, vm"):
            await anext(stream)


async def test_a_number_of_another_library_begins_anew(call: Caller, node: FakeNodeDaemon) -> None:
    async with aclosing(call.stream(WATCH, {"sinceSequence": "999999"})) as stream:
        said = await up_to_date(stream)
    assert said[0]["reset"] is True
    assert any("node" in one for one in said)
