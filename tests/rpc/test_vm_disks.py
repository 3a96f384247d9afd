"""VMs' disks and snapshots through VMService's real door, with a node behind real gRPC."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from image_library.domain.vm_disk import DiskTaskState, Snapshot
from tests.fakes.control_values import DIGEST, NOW
from tests.rpc.vm_door import Door
from tests.support.rpc import rpc_stream

WATCH = "limiquantix.compute.v1.VMService/WatchVM"


async def stopped(door: Door) -> str:
    vm = await door.create()
    await door.call("StopVM", {"id": "web"})
    return vm["id"]


def ended(door: Door) -> str:
    """How the work ends that goes on, as who watches the VM is told."""
    watched = rpc_stream(door.plane.url, WATCH, {"vmId": "web"}, token=door.plane.token)
    states = (vm["status"].get("diskTask", {}).get("state", "") for vm in watched)
    return next(state for state in states if state not in ("", "running"))


async def test_a_disk_grows_and_never_shrinks(door: Door) -> None:
    await door.create()
    vm = await door.call("GrowDisk", {"id": "web", "sizeGib": "9"})
    assert (vm["spec"]["disks"][0]["sizeGib"], vm["status"]["diskBytes"]) == ("9", str(9 << 30))
    assert await door.refused("GrowDisk", {"id": "web", "sizeGib": "8"}) == (
        "invalid_argument",
        "VM_DISK_SHRINKS",
    )
    assert await door.refused("GrowDisk", {"id": "nobody", "sizeGib": "9"}) == ("not_found", "VM_UNKNOWN")


async def test_long_work_is_answered_when_it_has_begun_and_followed_to_its_end(door: Door) -> None:
    vm_id = await stopped(door)
    begun = await door.call("CreateSnapshot", {"id": "web", "name": "monday"})
    assert begun["status"]["diskTask"] == {"kind": "snapshot", "state": "running", "subject": "monday"}
    for busy in ("FlattenDisk", "RevertToSnapshot"):
        assert await door.refused(busy, {"id": "web", "name": "x"} if "Snap" in busy else {"id": "web"}) == (
            "failed_precondition",
            "VM_BUSY",
        )
    kept = Snapshot(name="monday", created_at=NOW, size_bytes=3 << 30, base_digest=DIGEST)
    disk = door.node.reports[vm_id].disk
    assert disk is not None
    assert disk.task is not None
    done = replace(disk.task, state=DiskTaskState.DONE, percent=100)
    door.node.disk_becomes(vm_id, task=done, snapshots=(kept,))
    # Its follower brings it: no heartbeat comes in this test.
    assert await asyncio.to_thread(ended, door) == "done"
    [listed] = (await door.call("ListSnapshots", {"id": "web"}))["snapshots"]
    assert (listed["name"], listed["imageName"]) == ("monday", "golden")
    assert await door.call("DeleteSnapshot", {"id": "web", "name": "monday"}) == {}
    assert await door.refused("DeleteSnapshot", {"id": "web", "name": "monday"}) == (
        "not_found",
        "VM_SNAPSHOT_UNKNOWN",
    )
    assert await door.call("ListSnapshots", {"id": "web"}) == {}


async def test_work_is_cancelled(door: Door) -> None:
    await stopped(door)
    await door.call("FlattenDisk", {"id": "web"})
    vm = await door.call("CancelDiskTask", {"id": "web"})
    assert vm["status"]["diskTask"]["state"] == "cancelled"


async def test_without_another_version_there_is_nothing_to_rebase_to(door: Door) -> None:
    await stopped(door)
    for more in ({}, {"dryRun": True}):
        assert await door.refused("RebaseVM", {"id": "web", **more}) == (
            "failed_precondition",
            "VM_REBASE_REFUSED",
        )


async def test_a_vm_is_restarted(door: Door) -> None:
    vm = await door.create()
    assert (await door.call("RebootVM", {"id": "web"}))["status"]["state"] == "RUNNING"
    assert door.node.rebooted == [vm["id"]]
    await door.call("RebootVM", {"id": "web", "force": True})
    assert door.node.stopped == [(vm["id"], -1)]
    await door.call("StopVM", {"id": "web"})
    for force in (False, True):
        assert (await door.refused("RebootVM", {"id": "web", "force": force}))[1] == "VM_NOT_RUNNING"


async def test_usage_tells_what_a_vm_needs_the_image_for(door: Door) -> None:
    vm_id = await stopped(door)
    kept = Snapshot(name="monday", created_at=NOW, size_bytes=3 << 30, base_digest=DIGEST)
    door.node.disk_becomes(vm_id, flat=True, base_digest="", snapshots=(kept,))
    await door.call("ListSnapshots", {"id": "web"})
    [user] = (await door.call("storage.v1.ImageService/GetImageUsage", {"image": "golden"}))["vms"]
    assert (user.get("byDisk", False), user["snapshots"]) == (False, ["monday"])
    refused = await door.refused(
        "storage.v1.ImageService/DeleteImage", {"id": "golden", "cascade": "FLATTEN"}
    )
    assert refused == ("failed_precondition", "IMAGE_IN_USE")
