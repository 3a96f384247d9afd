"""Placing images, taking copies away, and the nodes' stores as pools, through the doors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from image_library.domain.job import JobState
from image_library.domain.store import Download
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import DIGEST, a_published_image, an_evidence
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, NODES, Caller, reason

POOLS = "limiquantix.storage.v1.StoragePoolService"
COUNTED = an_evidence(
    level=TrustLevel.UNVERIFIED, algorithm="sha256", expected=DIGEST[7:], actual=DIGEST[7:], source="library"
)


@pytest.fixture
async def nodes(call: Caller) -> AsyncGenerator[dict[str, FakeNodeDaemon]]:
    """By host name."""
    found: dict[str, FakeNodeDaemon] = {}
    async with AsyncExitStack() as stack:
        for name in ("one", "two", "three"):
            daemon = FakeNodeDaemon(node_id=f"node-{name}", token=call.handle.join_token)
            found[name] = await stack.enter_async_context(daemon.serving())
            await call.register(daemon, hostname=name, storeId=f"store-{name}")
        yield found


async def holds(call: Caller, *names: str, **facts: Any) -> None:
    """Let nodes report that they have the golden image."""
    for name in names:
        file = {"path": "/data/cloud-images/golden.qcow2", "filename": "golden.qcow2", "sizeBytes": "1000"}
        report = {
            "nodeId": f"node-{name}",
            "images": [file | {"format": "qcow2", "checksum": DIGEST} | facts],
            "inventoryComplete": True,
            "storeId": f"store-{name}",
        }
        await call(f"{IMAGES}/ScanLocalImages", report, token=call.handle.join_token)


async def placed(call: Caller, **wish: Any) -> dict[str, dict[str, Any]]:
    answer = await call(f"{IMAGES}/PlaceImage", {"image": "golden"} | wish)
    return {result["hostname"]: result for result in answer["results"]}


def copied(download: Download) -> Download:
    return replace(download, state=JobState.READY, published=a_published_image(evidence=COUNTED))


async def test_a_placement_tells_of_each_node_and_copies_where_it_must(
    call: Caller, nodes: dict[str, FakeNodeDaemon]
) -> None:
    await holds(call, "one")
    results = await placed(call, allNodes=True, concurrency=1)
    assert {name: result["outcome"] for name, result in results.items()} == {
        "one": "present",
        "two": "started",
        "three": "started",
    }
    assert "jobId" not in results["one"]
    for name in ("two", "three") if await _is_first(call, results["two"]) else ("three", "two"):
        download = await nodes[name].downloading(results[name]["jobId"])
        assert (download.order.library_digest, download.order.url) == (DIGEST, "")
        nodes[name].say(copied(download))
        last = await call.ended(results[name]["jobId"])
        assert (last["status"], last["kind"]) == ("COMPLETED", "place")
    image = await call(f"{IMAGES}/GetImage", {"id": "golden"})
    copies = image["status"]["placements"]
    assert sorted(copy["storagePoolId"] for copy in copies) == ["store-one", "store-three", "store-two"]
    assert image["status"]["storagePoolId"] == copies[0]["storagePoolId"]
    assert image["status"]["nodeId"] == copies[0]["nodeId"]


async def _is_first(call: Caller, result: dict[str, Any]) -> bool:
    """Whether it is this one's turn, of two."""
    job = await call(f"{IMAGES}/GetImportStatus", {"jobId": result["jobId"]})
    return not job.get("waitingFor", "").startswith("its turn")


async def test_a_node_that_is_too_full_is_refused_and_said(
    call: Caller, nodes: dict[str, FakeNodeDaemon]
) -> None:
    await holds(call, "one")
    beat = {"nodeId": "node-two", "diskUsedBytes": "4096", "diskTotalBytes": "4096"}
    await call(f"{NODES}/UpdateHeartbeat", beat, token=call.handle.join_token)
    results = await placed(call, nodeIds=["two", "node-three"])
    assert results["three"]["outcome"] == "started"
    assert (results["two"]["outcome"], results["two"]["errorCode"]) == ("refused", "storage.full")
    assert "two has not the space" in results["two"]["errorMessage"]


@pytest.mark.parametrize(
    ("wish", "code", "why"),
    [
        ({}, "invalid_argument", "REQUEST_INVALID"),
        ({"allNodes": True, "concurrency": 1001}, "invalid_argument", "REQUEST_INVALID"),
        ({"nodeIds": ["nowhere"]}, "not_found", "NODE_UNKNOWN"),
        ({"storagePoolIds": ["nothing"]}, "not_found", "POOL_UNKNOWN"),
        ({"image": "nothing", "allNodes": True}, "not_found", "IMAGE_UNKNOWN"),
    ],
)
async def test_a_placement_that_means_nothing_is_refused(
    call: Caller, nodes: dict[str, FakeNodeDaemon], wish: dict[str, Any], code: str, why: str
) -> None:
    await holds(call, "one")
    refused = await call.refused(f"{IMAGES}/PlaceImage", {"image": "golden"} | wish)
    assert (refused.code, reason(refused)) == (code, why)
    assert (await call(f"{IMAGES}/ListJobs")).get("jobs", []) == []


async def test_copies_are_taken_away_but_for_the_last(call: Caller, nodes: dict[str, FakeNodeDaemon]) -> None:
    await holds(call, "one", "two")
    left = await call(f"{IMAGES}/EvictImage", {"image": "golden", "storagePoolIds": ["store-one"]})
    assert [copy["nodeId"] for copy in left["image"]["status"]["placements"]] == ["node-two"]
    assert nodes["one"].removed == [DIGEST]
    last = {"image": "golden", "nodeIds": ["two"]}
    refused = await call.refused(f"{IMAGES}/EvictImage", last)
    assert (refused.code, reason(refused)) == ("failed_precondition", "IMAGE_LAST_COPY")
    gone = await call(f"{IMAGES}/EvictImage", last | {"lastCopyToo": True})
    status = gone["image"]["status"]
    assert (status["phase"], status["errorCode"]) == ("ERROR", "image.missing")
    assert status.get("placements", []) == []


async def test_what_an_operator_put_there_or_protects_is_not_taken_away(
    call: Caller, nodes: dict[str, FakeNodeDaemon]
) -> None:
    await holds(call, "one", "two")
    await call(f"{IMAGES}/UpdateImage", {"id": "golden", "protected": True})
    kept = await call.refused(f"{IMAGES}/EvictImage", {"image": "golden", "nodeIds": ["one"]})
    assert (kept.code, reason(kept)) == ("failed_precondition", "IMAGE_PROTECTED")
    await holds(call, "three", checksum="", path="/data/cloud-images/mine.qcow2", filename="mine.qcow2")
    evict = {"image": "mine", "nodeIds": ["three"], "lastCopyToo": True}
    own = await call.refused(f"{IMAGES}/EvictImage", evict)
    assert (own.code, reason(own)) == ("failed_precondition", "IMAGE_LOCAL")
    assert [node.removed for node in nodes.values()] == [[], [], []]


async def test_every_nodes_store_is_a_pool(call: Caller, nodes: dict[str, FakeNodeDaemon]) -> None:
    beat = {"nodeId": "node-two", "diskUsedBytes": "1000", "diskTotalBytes": "4096"}
    await call(f"{NODES}/UpdateHeartbeat", beat, token=call.handle.join_token)
    first = await call(f"{POOLS}/ListPools", {"pageSize": 2})
    rest = await call(f"{POOLS}/ListPools", {"pageSize": 2, "pageToken": first["nextPageToken"]})
    assert (first["totalCount"], "nextPageToken" in rest) == (3, False)
    names = [pool["name"] for pool in first["pools"] + rest["pools"]]
    assert sorted(names) == ["one", "three", "two"]
    pool = await call(f"{POOLS}/GetPool", {"id": "store-two"})
    assert (pool["name"], pool["status"]["phase"]) == ("two", "READY")
    assert pool["spec"]["assignedNodeIds"] == ["node-two"]
    assert pool["spec"]["backend"]["localDir"]["nodeId"] == "node-two"
    capacity = pool["status"]["capacity"]
    assert (capacity["totalBytes"], capacity["usedBytes"], capacity["availableBytes"]) == (
        "4096",
        "1000",
        "3096",
    )


@pytest.mark.parametrize(
    ("method", "message", "code", "why"),
    [
        ("GetPool", {"id": "nothing"}, "not_found", "POOL_UNKNOWN"),
        ("CreatePool", {"name": "more"}, "unimplemented", ""),
        ("DeletePool", {"id": "store-one"}, "unimplemented", ""),
        ("ListPools", {"pageSize": -1}, "invalid_argument", "REQUEST_INVALID"),
        ("ListPools", {"pageToken": "forged"}, "invalid_argument", ""),
    ],
)
async def test_what_pools_cannot_do_is_said(
    call: Caller, nodes: dict[str, FakeNodeDaemon], method: str, message: dict[str, Any], code: str, why: str
) -> None:
    refused = await call.refused(f"{POOLS}/{method}", message)
    assert refused.code == code
    assert refused.message
    assert why in ("", reason(refused))


async def test_a_download_goes_to_the_pool_that_it_names(
    call: Caller, nodes: dict[str, FakeNodeDaemon]
) -> None:
    wish = {"catalogId": "debian-12", "storagePoolId": "store-three"}
    job = (await call(f"{IMAGES}/DownloadImage", wish))["jobId"]
    assert (await nodes["three"].downloading(job)).order.url.startswith("https://")
    refused = await call.refused(f"{IMAGES}/DownloadImage", wish | {"storagePoolId": "nothing"})
    assert (refused.code, reason(refused)) == ("not_found", "POOL_UNKNOWN")
