"""Calls with an Idempotency-Key: one effect and one answer, however often and wherever they are sent."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_library.controlplane.handlers.rights import RIGHTS
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.wire.keys import changes_something
from tests.fakes.control_values import a_published_image
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason
from tests.support.rpc import Json, RpcError

VMS = "limiquantix.compute.v1.VMService"
KEY = {"Idempotency-Key": "f9b7-1"}
URL = "https://example.org/web.qcow2"
IMPORT = (f"{IMAGES}/ImportImage", {"url": URL})


@dataclass
class Scene:
    call: Caller
    node: FakeNodeDaemon
    # A job that failed, one that goes on, and an image that is there.
    failed: str = ""
    live: str = ""
    image: str = ""
    etag: str = ""
    # A file that an operator put on the node.
    local: str = ""
    # A VM that waits for its image.
    vm: str = ""


@asynccontextmanager
async def scene(data_dir: Path, node: FakeNodeDaemon) -> AsyncGenerator[Scene]:
    async with control_plane(data_dir) as call:
        node.token = call.handle.join_token
        await call.register(node)
        yield Scene(call, node)


async def prepared(now: Scene) -> Scene:
    call, node = now.call, now.node
    names = ("debian-12", "debian-13", "debian-11")
    jobs = [(await call(f"{IMAGES}/DownloadImage", {"catalogId": name}))["jobId"] for name in names]
    for job_id in jobs:
        await node.downloading(job_id)
    failure = Failure(code="import.unreachable", message="No answer.")
    node.say(node.journal[jobs[0]].evolve(state=JobState.FAILED, failure=failure))
    node.say(node.journal[jobs[2]].evolve(state=JobState.READY, published=a_published_image()))
    await call.ended(jobs[0])
    there = await call.ended(jobs[2])
    waiting = {"name": "waiting", "spec": {"disks": [{"image": "debian-13"}]}}
    now.vm = (await call(f"{VMS}/CreateVM", waiting))["id"]
    now.failed, now.live, now.image = jobs[0], jobs[1], there["imageId"]
    now.etag = (await call(f"{IMAGES}/GetImage", {"id": now.image}))["etag"]
    found = {"path": "/images/golden.qcow2", "filename": "golden.qcow2", "sizeBytes": "9", "format": "qcow2"}
    await call(f"{IMAGES}/ScanLocalImages", {"nodeId": "node-1", "images": [found]})
    now.local = (await call(f"{IMAGES}/GetImage", {"id": "golden"}))["id"]
    return now


CALLS: dict[str, Callable[[Scene], tuple[str, Json]]] = {
    "CreateImage": lambda now: (f"{IMAGES}/CreateImage", {"name": "empty", "labels": {"a": "1", "b": "2"}}),
    "CreateImage from a URL": lambda now: (f"{IMAGES}/CreateImage", {"name": "w", "source": {"url": URL}}),
    "ImportImage": lambda now: IMPORT,
    "DownloadImage": lambda now: (f"{IMAGES}/DownloadImage", {"catalogId": "fedora-44"}),
    "RetryImport": lambda now: (f"{IMAGES}/RetryImport", {"jobId": now.failed}),
    "CancelImport": lambda now: (f"{IMAGES}/CancelImport", {"jobId": now.live}),
    "DeleteImage": lambda now: (f"{IMAGES}/DeleteImage", {"id": now.image}),
    "UpdateImage": lambda now: (
        f"{IMAGES}/UpdateImage",
        {"id": now.image, "etag": now.etag, "description": "Golden."},
    ),
    "PlaceImage": lambda now: (f"{IMAGES}/PlaceImage", {"image": "fedora-44", "allNodes": True}),
    "EvictImage": lambda now: (
        f"{IMAGES}/EvictImage",
        {"image": now.image, "nodeIds": ["node-1"], "lastCopyToo": True},
    ),
    "RefreshImages": lambda now: (f"{IMAGES}/RefreshImages", {"all": True}),
    "AdoptImage": lambda now: (f"{IMAGES}/AdoptImage", {"image": now.local}),
    "ConvertImage": lambda now: (f"{IMAGES}/ConvertImage", {"image": now.image, "format": "raw"}),
    "CollectGarbage": lambda now: (f"{IMAGES}/CollectGarbage", {}),
    "ScanLocalImages": lambda now: (f"{IMAGES}/ScanLocalImages", {}),
    "DeleteVM": lambda now: (f"{VMS}/DeleteVM", {"id": now.vm}),
    "StartVM": lambda now: (f"{VMS}/StartVM", {"id": now.vm}),
    "CreateVM": lambda now: (
        f"{VMS}/CreateVM",
        {"name": "web", "spec": {"disks": [{"image": "debian-13"}]}},
    ),
}


async def seen(call: Caller) -> Json:
    """All that calls could have made or taken away."""
    images = (await call(f"{IMAGES}/ListImages")).get("images", [])
    jobs = (await call(f"{IMAGES}/ListJobs")).get("jobs", [])
    vms = (await call(f"{VMS}/ListVMs")).get("vms", [])
    return {
        "images": sorted(i["id"] for i in images),
        "jobs": sorted(j["jobId"] for j in jobs),
        "vms": sorted(v["id"] for v in vms),
    }


async def answered(call: Caller, method: str, message: Json) -> Json:
    try:
        return await call(method, message, headers=KEY)
    except RpcError as error:
        return {"error": error.code, "message": error.message, "reason": reason(error)}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_happens_once_in_parallel_and_across_a_restart(name: str, data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with node.serving():
        async with scene(data_dir, node) as now:
            await prepared(now)
            method, message = CALLS[name](now)
            first = await answered(now.call, method, message)
            after = await seen(now.call)
            again = [await answered(now.call, method, message)]
            again += await asyncio.gather(*(answered(now.call, method, message) for _ in range(5)))
            assert again == [first] * 6
            assert await seen(now.call) == after
        async with scene(data_dir, node) as now:
            again = await asyncio.gather(*(answered(now.call, method, message) for _ in range(5)))
            assert again == [first] * 5
            assert await seen(now.call) == after
    assert "error" not in first


@pytest.mark.parametrize("name", CALLS)
async def test_five_at_once_are_one(name: str, data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with node.serving(), scene(data_dir, node) as now:
        await prepared(now)
        method, message = CALLS[name](now)
        answers = await asyncio.gather(*(answered(now.call, method, message) for _ in range(5)))
        assert answers == [answers[0]] * 5
        assert "error" not in answers[0]


@pytest.mark.parametrize("name", CALLS)
async def test_a_lost_answer_does_not_repeat_the_effect(name: str, data_dir: Path) -> None:
    """The process ended after the effect and before the answer was kept."""
    node = FakeNodeDaemon()
    async with node.serving():
        async with scene(data_dir, node) as now:
            await prepared(now)
            method, message = CALLS[name](now)
            await answered(now.call, method, message)
            after = await seen(now.call)
        with closing(sqlite3.connect(data_dir / "controlplane.db")) as database:
            unanswered = "json_set(document, '$.answered', json('false'), '$.answer', '')"
            assert database.execute(f"UPDATE calls SET document = {unanswered}").rowcount == 1
            database.commit()
        async with scene(data_dir, node) as now:
            again = await answered(now.call, method, message)
            assert "error" not in again
            assert await seen(now.call) == after


async def test_an_error_is_kept_as_it_was(call: Caller, node: FakeNodeDaemon) -> None:
    await call(*IMPORT)
    refused = [await answered(call, *IMPORT) for _ in range(2)]
    assert refused[0]["reason"] == "NAME_TAKEN"
    assert refused[0] == refused[1]


async def test_a_key_belongs_to_one_request(call: Caller, node: FakeNodeDaemon) -> None:
    await call(*IMPORT, headers=KEY)
    others = (IMPORT[0], {"url": URL, "name": "other"}), (f"{IMAGES}/DeleteImage", {"id": "web"})
    for method, message in others:
        refused = await call.refused(method, message, headers=KEY)
        assert (refused.code, reason(refused)) == ("invalid_argument", "IDEMPOTENCY_CONFLICT")
    assert (await call(f"{IMAGES}/ListImages"))["totalCount"] == 1


async def test_maps_may_be_sent_in_any_order(call: Caller) -> None:
    one = await call(f"{IMAGES}/CreateImage", {"name": "x", "labels": {"a": "1", "b": "2"}}, headers=KEY)
    other = await call(f"{IMAGES}/CreateImage", {"labels": {"b": "2", "a": "1"}, "name": "x"}, headers=KEY)
    assert one == other


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_bad_key_is_refused(call: Caller, key: str) -> None:
    refused = await call.refused(*IMPORT, headers={"Idempotency-Key": key})
    assert (refused.code, reason(refused)) == ("invalid_argument", "REQUEST_INVALID")


async def test_reading_needs_no_key_and_minds_none(call: Caller, node: FakeNodeDaemon) -> None:
    before = await call(f"{IMAGES}/ListImages", headers=KEY)
    await call(*IMPORT, headers=KEY)
    assert await call(f"{IMAGES}/ListImages", headers=KEY) != before


def test_reading_and_changing_are_told_apart_by_name() -> None:
    reading = {name for name in RIGHTS if not changes_something(name.rpartition("/")[2])}
    changing = {name.rpartition("/")[2] for name in RIGHTS} - {n.rpartition("/")[2] for n in reading}
    assert {"CreateImage", "CancelImport", "RetryImport", "StartVM", "UpdateHeartbeat"} <= changing
    assert {"ListJobs", "ExplainJob", "WatchImport", "PreviewProvisioning"}.isdisjoint(changing)
