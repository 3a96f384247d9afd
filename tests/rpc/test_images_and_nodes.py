"""Images, scans and nodes through the doors."""

from __future__ import annotations

from typing import Any

import pytest

from image_library.domain.inventory import Inventory
from tests.fakes.control_values import DIGEST, a_reported
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, NODES, Caller, reason


def file(name: str, **facts: Any) -> dict[str, Any]:
    path = f"/data/cloud-images/{name}"
    return {"path": path, "filename": name, "sizeBytes": "10", "format": "qcow2"} | facts


async def scan(call: Caller, *files: dict[str, Any]) -> dict[str, Any]:
    report = {"nodeId": "node-1", "images": list(files), "inventoryComplete": True, "storeId": "s1"}
    return await call(f"{IMAGES}/ScanLocalImages", report, token=call.handle.join_token)


async def test_a_nodes_report_registers_refreshes_and_takes_away(call: Caller, node: FakeNodeDaemon) -> None:
    bad = file("odd.img", format="exe")
    first = await scan(call, file("a.qcow2"), file("b.qcow2"), bad)
    assert (first["registeredCount"], len(first["errors"])) == (2, 1)
    second = await scan(call, file("a.qcow2"))
    assert (second.get("registeredCount", 0), second["existingCount"]) == (0, 1)
    images = (await call(f"{IMAGES}/ListImages"))["images"]
    assert {i["name"]: i["status"]["phase"] for i in images} == {"a": "READY", "b": "ERROR"}
    assert images[0]["status"]["trust"] == "TRUST_LEVEL_UNVERIFIED"


async def test_an_empty_request_lets_the_nodes_look(call: Caller, node: FakeNodeDaemon) -> None:
    node.inventory = Inventory(node_id="node-1", images=(a_reported(),), complete=True)
    assert (await call(f"{IMAGES}/ScanLocalImages"))["registeredCount"] == 1
    assert (await call(f"{IMAGES}/ScanLocalImages", {"nodeId": "box"}))["existingCount"] == 1
    unknown = await call.refused(f"{IMAGES}/ScanLocalImages", {"nodeId": "nowhere"})
    assert (unknown.code, reason(unknown)) == ("not_found", "NODE_UNKNOWN")


async def test_deleting_asks_the_node_and_refuses_an_operators_file(
    call: Caller, node: FakeNodeDaemon
) -> None:
    await scan(call, file("mine.qcow2"), file("published.qcow2", checksum=DIGEST))
    local = await call.refused(f"{IMAGES}/DeleteImage", {"id": "mine"})
    assert (local.code, reason(local)) == ("failed_precondition", "IMAGE_LOCAL")
    assert await call(f"{IMAGES}/DeleteImage", {"id": "published"}) == {}
    assert node.removed == [DIGEST]
    gone = await call.refused(f"{IMAGES}/GetImage", {"id": "published"})
    assert (gone.code, reason(gone)) == ("not_found", "IMAGE_UNKNOWN")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {"linux", "plain"}),
        ({"osFamily": "UNKNOWN", "visibility": "PRIVATE", "format": "RAW"}, {"linux", "plain"}),
        ({"osFamily": "LINUX"}, {"linux"}),
        ({"format": "QCOW2"}, {"linux"}),
        ({"visibility": "PUBLIC"}, set[str]()),
        ({"projectId": "default"}, {"linux", "plain"}),
        ({"projectId": "other"}, set[str]()),
        ({"labels": {"a": "b"}}, set[str]()),
    ],
)
async def test_zero_filters_nothing_and_all_else_does(
    call: Caller, node: FakeNodeDaemon, wanted: dict[str, Any], names: set[str]
) -> None:
    linux = file("linux.qcow2", detectedOs={"family": "LINUX", "distribution": "debian"})
    await scan(call, linux, file("plain.img", format="raw"))
    found = await call(f"{IMAGES}/ListImages", wanted)
    assert {image["name"] for image in found.get("images", [])} == names
    assert found.get("totalCount", 0) == len(names)


async def test_the_catalog_filters_by_family(call: Caller) -> None:
    everything = (await call(f"{IMAGES}/GetImageCatalog", {"osFamily": "UNKNOWN"}))["images"]
    debian = next(e for e in everything if e["id"] == "debian-12")
    assert (debian["trust"], debian["architectures"]) == ("TRUST_LEVEL_CHECKSUM", ["x86_64", "aarch64"])
    assert debian["os"]["defaultUser"] == "debian"
    assert await call(f"{IMAGES}/GetImageCatalog", {"osFamily": "WINDOWS"}) == {}
    fedora = next(e for e in everything if e["id"] == "fedora-40")
    assert (fedora["endOfLife"], fedora["supportEnds"]) == (True, "2025-05-13")


async def test_pages_go_on_where_they_ended(call: Caller, node: FakeNodeDaemon) -> None:
    await scan(call, *(file(f"image-{n}.qcow2") for n in range(5)))
    seen: list[str] = []
    token = ""
    while True:
        page = await call(f"{IMAGES}/ListImages", {"pageSize": 2, "pageToken": token})
        assert page["totalCount"] == 5
        seen += [image["name"] for image in page["images"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert sorted(seen) == [f"image-{n}" for n in range(5)]
    token = (await call(f"{IMAGES}/ListImages", {"pageSize": 2}))["nextPageToken"]
    for method, message in (
        ("ListImages", {"pageToken": "forged"}),
        ("ListImages", {"pageToken": token, "projectId": "default"}),
        ("ListJobs", {"pageToken": token}),
    ):
        error = await call.refused(f"{IMAGES}/{method}", message)
        assert (error.code, reason(error)) == ("invalid_argument", "REQUEST_PAGE_TOKEN")
    negative = await call.refused(f"{IMAGES}/ListImages", {"pageSize": -1})
    assert (negative.code, reason(negative)) == ("invalid_argument", "REQUEST_INVALID")


async def test_nodes_register_beat_and_are_shown(call: Caller, node: FakeNodeDaemon) -> None:
    join = call.handle.join_token
    beat = {"nodeId": "node-1", "diskUsedBytes": "5", "diskTotalBytes": "9", "runningVmCount": 2}
    answer = await call(f"{NODES}/UpdateHeartbeat", beat, token=join)
    assert answer == {"acknowledged": True, "heartbeatIntervalSecs": 10}
    stranger = await call(f"{NODES}/UpdateHeartbeat", {"nodeId": "who"}, token=join)
    assert stranger == {"heartbeatIntervalSecs": 10}
    [shown] = (await call(f"{NODES}/ListNodes"))["nodes"]
    status = shown["status"]
    assert (shown["hostname"], status["phase"], status["runningVmCount"]) == ("box", "READY", 2)
    assert shown["facts"]["agentEndpoint"] == node.endpoint
    assert (await call(f"{NODES}/GetNode", {"id": "box"}))["id"] == "node-1"
    unknown = await call.refused(f"{NODES}/GetNode", {"id": "nobody"})
    assert (unknown.code, reason(unknown)) == ("not_found", "NODE_UNKNOWN")


async def test_a_degraded_node_says_why_and_an_operator_ends_it(call: Caller, node: FakeNodeDaemon) -> None:
    join, since = call.handle.join_token, "2026-11-26T07:00:00Z"
    said = {"trouble": "failing", "reason": "A sync failed (input/output error).", "since": since}
    scrub = {"reading": "a.qcow2", "digest": DIGEST, "bytesDone": "1", "bytesTotal": "4", "due": 2}
    beat = {"nodeId": "node-1", "degraded": said, "scrub": scrub}
    await call(f"{NODES}/UpdateHeartbeat", beat, token=join)
    status = (await call(f"{NODES}/GetNode", {"id": "box"}))["status"]
    assert (status["phase"], status["degraded"], status["scrub"]) == ("READY", said, scrub)
    refused = await call.refused(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12", "nodeId": "box"})
    assert (refused.code, reason(refused)) == ("failed_precondition", "STORAGE_DEGRADED")
    assert "'limiquantix nodes resume box'" in refused.message
    stranger = await call.refused(f"{NODES}/ResumeNode", {"id": "box"}, token=join)
    assert stranger.code == "permission_denied"
    resumed = await call(f"{NODES}/ResumeNode", {"id": "box"})
    assert (node.resumed, "degraded" in resumed["status"]) == (1, False)


async def test_the_phases_of_a_filter_are_nodes_phases(call: Caller, node: FakeNodeDaemon) -> None:
    for phases, count in ((["READY"], 1), (["OFFLINE"], 0), (["UNKNOWN"], 1), (["DRAINING"], 0)):
        found = await call(f"{NODES}/ListNodes", {"phases": phases})
        assert found.get("totalCount", 0) == count


async def test_a_twin_of_a_running_node_is_refused(call: Caller, node: FakeNodeDaemon) -> None:
    twin = {"hostname": "copy", "agentEndpoint": "127.0.0.1:1", "nodeId": "node-1"}
    error = await call.refused(f"{NODES}/RegisterNode", twin, token=call.handle.join_token)
    assert (error.code, reason(error)) == ("already_exists", "NODE_DUPLICATE")
    odd = await call.refused(f"{NODES}/RegisterNode", {"hostname": "box", "agentEndpoint": "nothing"})
    assert (odd.code, reason(odd)) == ("invalid_argument", "REQUEST_INVALID")
