"""Changing, using, adopting, deleting and collecting images through the doors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import StorageFull
from image_library.domain.garbage import GarbageItem, GarbageKind
from image_library.domain.inventory import Inventory
from image_library.domain.job import JobState
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_reported, an_adopted_file
from tests.fakes.grpc_vm_node import GrpcVmNode, serving
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, NODES, Caller, control_plane, reason

VMS = "limiquantix.compute.v1.VMService"


def file(name: str, **facts: Any) -> dict[str, Any]:
    path = f"/data/cloud-images/{name}"
    user = {"defaultUser": "ops"}
    return {"path": path, "filename": name, "sizeBytes": "10", "format": "qcow2", "detectedOs": user} | facts


async def scan(call: Caller, *files: dict[str, Any]) -> None:
    report = {"nodeId": "node-1", "images": list(files), "inventoryComplete": True, "storeId": "s1"}
    await call(f"{IMAGES}/ScanLocalImages", report, token=call.handle.join_token)


@pytest.fixture
async def golden(call: Caller, node: FakeNodeDaemon) -> dict[str, Any]:
    await scan(call, file("golden.qcow2", checksum=DIGEST))
    return await call(f"{IMAGES}/GetImage", {"id": "golden"})


async def update(call: Caller, **changes: Any) -> dict[str, Any]:
    return await call(f"{IMAGES}/UpdateImage", {"id": "golden"} | changes)


async def test_an_old_clients_update_sets_what_it_says_and_clears_nothing(
    call: Caller, golden: dict[str, Any]
) -> None:
    await update(call, description="Ours.", labels={"a": "1"}, visibility="PUBLIC")
    image = await update(call, labels={"b": "2"})
    assert (image["description"], image["labels"]) == ("Ours.", {"a": "1", "b": "2"})
    assert image["spec"]["visibility"] == "PUBLIC"
    assert await update(call) == image


async def test_a_mask_sets_and_clears_exactly_its_fields(call: Caller, golden: dict[str, Any]) -> None:
    await update(call, description="Ours.", labels={"a": "1"}, protected=True)
    mask = {"updateMask": "description,labels,sharedProjects,deprecation"}
    words = {"deprecated": True, "reason": "Old."}
    image = await update(call, **mask, sharedProjects=["p"], deprecation=words, hidden=True)
    assert image.get("description", "") == ""
    assert image.get("labels", {}) == {}
    assert (image["spec"]["sharedProjects"], image["deprecation"]) == (["p"], words)
    assert (image["protected"], image.get("hidden", False)) == (True, False)


async def test_a_star_sets_everything_but_an_empty_name(call: Caller, golden: dict[str, Any]) -> None:
    await update(call, description="Ours.", protected=True, hidden=True)
    image = await update(call, updateMask="*", description="Only this.")
    assert (image["name"], image["description"]) == ("golden", "Only this.")
    assert (image.get("protected", False), image.get("hidden", False)) == (False, False)


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        ("status.path", "FIELD_OUTPUT_ONLY"),
        ("id", "FIELD_OUTPUT_ONLY"),
        ("etag", "FIELD_OUTPUT_ONLY"),
        ("digest", "FIELD_OUTPUT_ONLY"),
        ("spec.os", "FIELD_OUTPUT_ONLY"),
        ("nonsense", "REQUEST_INVALID"),
        ("labels.a", "REQUEST_INVALID"),
        ("name", "NAME_INVALID"),
    ],
)
async def test_a_mask_that_names_what_cannot_be_set_changes_nothing(
    call: Caller, golden: dict[str, Any], mask: str, named: str
) -> None:
    error = await call.refused(f"{IMAGES}/UpdateImage", {"id": "golden", "updateMask": f"protected,{mask}"})
    assert error.code == "invalid_argument"
    assert reason(error) == named
    assert await call(f"{IMAGES}/GetImage", {"id": "golden"}) == golden


async def test_an_older_etag_is_aborted_for_updates_and_deletes(call: Caller, golden: dict[str, Any]) -> None:
    await update(call, description="Newer.", etag=golden["etag"])
    for method in ("UpdateImage", "DeleteImage"):
        error = await call.refused(f"{IMAGES}/{method}", {"id": "golden", "etag": golden["etag"]})
        assert (error.code, reason(error)) == ("aborted", "IMAGE_CHANGED")


async def test_hidden_images_are_left_out_of_lists_and_found_by_name(
    call: Caller, golden: dict[str, Any]
) -> None:
    await update(call, hidden=True)
    assert await call(f"{IMAGES}/ListImages") == {}
    assert (await call(f"{IMAGES}/ListImages", {"hiddenToo": True}))["totalCount"] == 1
    assert (await call(f"{IMAGES}/GetImage", {"id": "golden"}))["hidden"] is True


async def test_a_protected_image_is_not_deleted(call: Caller, golden: dict[str, Any]) -> None:
    await update(call, protected=True)
    error = await call.refused(f"{IMAGES}/DeleteImage", {"id": "golden"})
    assert (error.code, reason(error)) == ("failed_precondition", "IMAGE_PROTECTED")


async def test_a_project_makes_no_vm_of_what_it_may_not_see(call: Caller, golden: dict[str, Any]) -> None:
    wish = {"name": "web", "projectId": "other", "spec": {"disks": [{"image": "golden"}]}}
    error = await call.refused(f"{VMS}/CreateVM", wish)
    assert (error.code, reason(error)) == ("not_found", "IMAGE_UNKNOWN")
    assert "golden" not in error.message.replace("'golden'", "")
    assert (await call(f"{IMAGES}/ListImages", {"usableByProject": "other"})) == {}


async def test_an_operators_file_is_adopted_as_a_job(call: Caller, node: FakeNodeDaemon) -> None:
    await scan(call, file("golden.qcow2"))
    started = await call(f"{IMAGES}/AdoptImage", {"image": "golden"})
    assert started["kind"] == "adopt"
    job = await node.downloading(started["jobId"])
    assert job.order.adopt_path == "/data/cloud-images/golden.qcow2"
    again = await call(f"{IMAGES}/AdoptImage", {"image": "golden"})
    assert again["jobId"] == started["jobId"]
    node.say(job.evolve(state=JobState.READY, published=an_adopted_file()))
    assert (await call.ended(started["jobId"]))["status"] == "COMPLETED"
    image = await call(f"{IMAGES}/GetImage", {"id": "golden"})
    assert (image["status"]["digest"], image["status"]["trust"]) == (DIGEST, "TRUST_LEVEL_UNVERIFIED")
    done = await call.refused(f"{IMAGES}/AdoptImage", {"image": "golden"})
    assert (done.code, reason(done)) == ("invalid_argument", "REQUEST_INVALID")


async def test_a_deleted_image_does_not_come_back_with_its_node(
    call: Caller, node: FakeNodeDaemon, golden: dict[str, Any]
) -> None:
    await call(f"{IMAGES}/DeleteImage", {"id": "golden"})
    assert node.removed == [DIGEST]
    await scan(call, file("golden.qcow2", checksum=DIGEST))
    assert await call(f"{IMAGES}/ListImages") == {}
    await node.told_to_remove(2)
    assert node.removed == [DIGEST, DIGEST]


async def test_garbage_is_looked_for_everywhere_and_summed(call: Caller, node: FakeNodeDaemon) -> None:
    found = GarbageItem(kind=GarbageKind.PART, name="ab.part", bytes=7, reason="Nobody.")
    node.garbage = [found]
    node.inventory = Inventory(node_id="node-1", images=(a_reported(checksum=DIGEST),), complete=True)
    gone = {"hostname": "away", "agentEndpoint": "127.0.0.1:1", "nodeId": "node-2"}
    await call(f"{NODES}/RegisterNode", gone)
    answer = await call(f"{IMAGES}/CollectGarbage", {"dryRun": True})
    [item] = answer["items"]
    assert (item["kind"], item["nodeId"], item["bytes"], answer["bytes"]) == ("part", "node-1", "7", "7")
    assert len(answer["errors"]) == 1
    [order] = node.garbage_orders
    assert (order.dry_run, order.complete, order.known) == (True, True, frozenset({DIGEST}))


async def test_vms_are_named_freed_and_then_the_image_goes(tmp_path: Path) -> None:
    async with control_plane(tmp_path / "data") as call:
        node = GrpcVmNode(join_token=call.handle.join_token)
        async with serving(node):
            said = {"hostname": "box", "agentEndpoint": node.endpoint, "nodeId": "node-1", "storeId": "s1"}
            await call(f"{NODES}/RegisterNode", said)
            await scan(call, file("golden.qcow2", checksum=DIGEST), file("b.qcow2", checksum=OTHER_DIGEST))
            wish = {"name": "web", "spec": {"disks": [{"image": "golden"}]}, "startOnCreate": True}
            made = await call(f"{VMS}/CreateVM", wish)
            usage = await call(f"{IMAGES}/GetImageUsage", {"image": "golden"})
            user = {"id": made["id"], "name": "web", "nodeId": "node-1", "projectId": "default"}
            assert usage["vms"] == [user | {"state": "running", "byDisk": True}]
            flatten = {"id": "golden", "cascade": "CASCADE_FLATTEN"}
            for how, code in (({"id": "golden"}, "IMAGE_IN_USE"), (flatten, "VM_RUNNING")):
                error = await call.refused(f"{IMAGES}/DeleteImage", how)
                assert (error.code, reason(error)) == ("failed_precondition", code)
                assert "web" in error.message
            await call(f"{VMS}/StopVM", {"id": "web", "force": True})
            node.refusal = StorageFull("No space.")
            full = await call.refused(f"{IMAGES}/DeleteImage", flatten)
            assert (full.code, reason(full)) == ("resource_exhausted", "STORAGE_FULL")
            assert (await call(f"{IMAGES}/GetImage", {"id": "golden"}))["status"]["phase"] == "READY"
            node.refusal = None
            assert await call(f"{IMAGES}/DeleteImage", flatten) == {}
            assert (node.flattened, node.removed) == ([made["id"]], [DIGEST])
            vm = await call(f"{VMS}/StartVM", {"id": "web"})
            status = vm["status"]
            assert (status["state"], status["imageName"], status.get("imageId", "")) == (
                "RUNNING",
                "golden",
                "",
            )
