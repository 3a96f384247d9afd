"""A client that knows only the contract: each RPC as such a client sends it, with nothing of ours in it.

Its generated code sends what is set and leaves out zeroes, empty strings and unset messages; a careful one
sends them all the same. Both get the same answers, and what is ours beside them is ignored by name.
"""

from __future__ import annotations

from typing import Any

import pytest

from image_library.domain.job import JobState
from tests.fakes.control_values import a_published_image
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, NODES, Caller
from tests.support.rpc import Json

# The fields of the contract's Image and their spelling in JSON.
SPEC = {"os", "requirements", "format", "visibility", "catalogId"}
OLD_FILTERS: Json = {
    "projectId": "",
    "labels": {},
    "osFamily": "UNKNOWN",
    "visibility": "PRIVATE",
    "format": "RAW",
    "pageSize": 0,
    "pageToken": "",
}


@pytest.fixture
async def image(call: Caller, node: FakeNodeDaemon) -> dict[str, Any]:
    """The catalog's Debian 12, downloaded by an old client."""
    begun = await call(
        f"{IMAGES}/DownloadImage", {"catalogId": "debian-12", "nodeId": "", "storagePoolId": "", "name": ""}
    )
    await node.downloading(begun["jobId"])
    node.say(node.journal[begun["jobId"]].evolve(state=JobState.READY, published=a_published_image()))
    assert (await call.ended(begun["jobId"]))["status"] == "COMPLETED"
    return await call(f"{IMAGES}/GetImage", {"id": begun["image"]["id"]})


async def test_the_single_valued_fields_tell_the_truth(image: dict[str, Any]) -> None:
    status, [copy] = image["status"], image["status"]["placements"]
    assert status["phase"] == "READY"
    assert (status["nodeId"], status["path"]) == (copy["nodeId"], copy["path"])
    assert status["storagePoolId"] == copy["storagePoolId"] == "s1"
    assert status["path"] == f"{status['folderPath']}/{status['filename']}"
    assert status["checksum"].partition(":")[0] in {"sha256", "sha512"}
    assert set(image["spec"]) >= SPEC - {"requirements"}
    assert image["createdAt"]
    assert image["updatedAt"]


async def test_zeroes_filter_nothing_whether_sent_or_not(call: Caller, image: dict[str, Any]) -> None:
    bare = await call(f"{IMAGES}/ListImages", {})
    assert await call(f"{IMAGES}/ListImages", OLD_FILTERS) == bare
    assert [i["id"] for i in bare["images"]] == [image["id"]]
    assert bare["totalCount"] == 1
    catalog = await call(f"{IMAGES}/GetImageCatalog", {})
    assert await call(f"{IMAGES}/GetImageCatalog", {"osFamily": "UNKNOWN"}) == catalog
    for entry in catalog["images"]:
        assert entry["url"].startswith("https://")
        assert entry["os"]["family"] != "UNKNOWN"
    nodes = await call(f"{NODES}/ListNodes", {})
    assert await call(f"{NODES}/ListNodes", {"labels": {}, "phases": [], "pageSize": 0}) == nodes


async def test_the_catalogs_states_are_told_for_those_asked(call: Caller, image: dict[str, Any]) -> None:
    asked = {"catalogIds": ["debian-12", "debian-13", "no-such-thing"]}
    statuses = (await call(f"{IMAGES}/GetCatalogDownloadStatus", asked))["statuses"]
    by_id = {status["catalogId"]: status for status in statuses}
    assert (by_id["debian-12"]["status"], by_id["debian-12"]["imageId"]) == ("READY", image["id"])
    assert by_id["debian-12"]["storagePoolId"] == "s1"
    # Zero: not downloaded.
    assert "status" not in by_id["debian-13"]
    assert "status" not in by_id["no-such-thing"]
    assert by_id["no-such-thing"]["errorMessage"] == "The catalog has no 'no-such-thing'."


async def test_an_update_without_a_mask_clears_nothing(call: Caller, image: dict[str, Any]) -> None:
    said = {"id": image["id"], "description": "Ours.", "labels": {"team": "red"}, "visibility": "PROJECT"}
    await call(f"{IMAGES}/UpdateImage", said)
    empty: Json = {"id": image["id"], "description": "", "labels": {}, "visibility": "PRIVATE"}
    after = await call(f"{IMAGES}/UpdateImage", empty)
    assert (after["description"], after["labels"]) == ("Ours.", {"team": "red"})
    assert after["spec"]["visibility"] == "PROJECT"


async def test_an_import_with_nothing_but_a_url(call: Caller, node: FakeNodeDaemon) -> None:
    said = {"name": "", "url": "https://example.org/rocky-9.qcow2", "checksum": "", "checksumType": ""}
    begun = await call(f"{IMAGES}/ImportImage", said)
    status = await call(f"{IMAGES}/GetImportStatus", {"jobId": begun["jobId"]})
    assert status["imageId"] == begun["image"]["id"]
    assert status.get("status", "UNKNOWN") in {"UNKNOWN", "PENDING", "DOWNLOADING"}
    assert begun["image"]["spec"]["os"]["distribution"] == "rocky"


async def test_a_bare_image_is_made_and_deleted(call: Caller) -> None:
    made = await call(f"{IMAGES}/CreateImage", {"name": "golden", "spec": {}})
    assert made["status"]["phase"] == "PENDING"
    assert await call(f"{IMAGES}/DeleteImage", {"id": made["id"]}) == {}
    gone = await call.refused(f"{IMAGES}/GetImage", {"id": made["id"]})
    assert gone.code == "not_found"


async def test_an_old_node_registers_beats_and_reports(call: Caller) -> None:
    """Without an id, a store, an architecture or a sequence, none of which the contract has."""
    old: Json = {"hostname": "old", "managementIp": "10.0.0.9", "agentEndpoint": "127.0.0.1:1", "labels": {}}
    token = {"token": call.handle.join_token}
    node = await call(f"{NODES}/RegisterNode", old, **token)
    assert node["status"]["phase"] == "READY"
    beat = {"nodeId": node["id"], "runningVmCount": 0, "diskUsedBytes": "1", "diskTotalBytes": "9"}
    assert (await call(f"{NODES}/UpdateHeartbeat", beat, **token))["acknowledged"] is True
    file = {"path": "/images/jammy.img", "filename": "jammy.img", "sizeBytes": "9", "format": "qcow2"}
    report = {"nodeId": node["id"], "images": [file]}
    assert (await call(f"{IMAGES}/ScanLocalImages", report, **token))["registeredCount"] == 1
    again = await call(f"{IMAGES}/ScanLocalImages", report, **token)
    assert again["existingCount"] == 1
    assert "registeredCount" not in again
