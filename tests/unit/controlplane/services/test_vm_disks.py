"""VMs' disks as the control plane sees them: what is asked of nodes, and which versions have to stay."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.deletions import ImageDeletion
from image_library.domain.errors import (
    ImageDeleting,
    ImageInUse,
    ImageNotReady,
    NodeUnreachable,
    RebaseRefused,
    StorageFull,
    VmBusy,
    VmNotRunning,
    VmRunning,
)
from image_library.domain.image import ImagePhase
from image_library.domain.vm import BootStage, PowerState, VmReport
from image_library.domain.vm_disk import DiskReport, DiskTask, DiskTaskKind, DiskTaskState, Snapshot
from tests.fakes.control_values import DIGEST, NOW, OTHER_DIGEST, a_node, a_ready_image, a_vm
from tests.fakes.control_vms import VmPlane

GIB = 1 << 30
OLD = a_ready_image("old", name="debian", version=1, current=False)
NEW = a_ready_image("new", name="debian", version=2, digest=OTHER_DIGEST)


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    await made.know(a_node(), OLD, NEW, _vm())
    made.node_vms.reports["web"] = _report()
    yield made
    await made.close()


def _report(state: PowerState = PowerState.STOPPED, **disk: Any) -> VmReport:
    facts: dict[str, Any] = {"size_bytes": 2 * GIB, "base_digest": DIGEST, **disk}
    return VmReport(vm_id="web", name="web", state=state, stage=BootStage.DONE, disk=DiskReport(**facts))


def _vm(report: VmReport | None = None, **changes: Any) -> Any:
    facts: dict[str, Any] = {"image_id": "old", "image_digest": DIGEST, "image_name": "debian"}
    return a_vm("web", node_id="node-1", report=report or _report(), **{**facts, **changes})


async def users(plane: VmPlane, image_id: str) -> tuple[str, ...]:
    async with plane.database.read() as records:
        return await records.images.used_by(image_id)


async def told(plane: VmPlane, **disk: Any) -> None:
    """The node says so in its next heartbeat."""
    await plane.records.record("node-1", (_report(**disk),), complete=True)


async def test_a_rebase_holds_both_versions_until_nothing_needs_the_old_one(plane: VmPlane) -> None:
    done = await plane.disks.rebase("web")
    assert (done.old.id, done.new.id) == ("old", "new")
    assert plane.node_vms.asked(f"rebase {OTHER_DIGEST}") == ["web"]
    assert (await users(plane, "old"), await users(plane, "new")) == (("web",), ("web",))
    kept = Snapshot(name="before", created_at=NOW, size_bytes=2 * GIB, base_digest=DIGEST)
    ended = DiskTask(kind=DiskTaskKind.REBASE, subject=OTHER_DIGEST, state=DiskTaskState.DONE)
    await told(plane, base_digest=OTHER_DIGEST, snapshots=(kept,), task=ended)
    vm = await plane.vms.get("web")
    assert (vm.image_id, vm.image_digest) == ("new", OTHER_DIGEST)
    assert await users(plane, "old") == ("web",)
    await told(plane, base_digest=OTHER_DIGEST)
    assert (await users(plane, "old"), await users(plane, "new")) == ((), ("web",))


async def test_a_dry_run_holds_and_asks_nothing(plane: VmPlane) -> None:
    done = await plane.disks.rebase("web", dry_run=True)
    assert (done.old.id, done.new.id) == ("old", "new")
    assert plane.node_vms.calls == []
    assert await users(plane, "new") == ()


async def test_a_refused_rebase_lets_the_version_go(plane: VmPlane) -> None:
    plane.node_vms.refusals[f"rebase {OTHER_DIGEST}"] = StorageFull("No space.")
    with pytest.raises(StorageFull):
        await plane.disks.rebase("web")
    assert await users(plane, "new") == ()


async def test_a_refused_rebase_of_a_vm_whose_disk_nobody_told_of_yet_lets_it_go(plane: VmPlane) -> None:
    async with plane.database.write() as records:
        await records.vms.save(_vm(replace(_report(), disk=None)))
    plane.node_vms.refusals[f"rebase {OTHER_DIGEST}"] = StorageFull("No space.")
    with pytest.raises(StorageFull):
        await plane.disks.rebase("web")
    assert await users(plane, "new") == ()


async def test_where_the_node_does_not_answer_it_may_have_begun(plane: VmPlane) -> None:
    plane.node_vms.away.add("node-1")
    with pytest.raises(NodeUnreachable):
        await plane.disks.rebase("web")
    assert await users(plane, "new") == ("web",)
    # A moment later its word may be older than our call; later it is not.
    await told(plane)
    assert await users(plane, "new") == ("web",)
    await plane.clock.advance(60)
    await told(plane)
    assert await users(plane, "new") == ()


async def test_a_node_that_rebased_on_its_own_account_is_believed(plane: VmPlane) -> None:
    """As where the control plane was away when it was done, or its database is an older one."""
    await told(plane, base_digest=OTHER_DIGEST)
    vm = await plane.vms.get("web")
    assert (vm.image_id, vm.image_name) == ("new", "debian")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"phase": ImagePhase.DELETING}, ImageDeleting),
        ({"placements": ()}, ImageNotReady),
        ({"digest": DIGEST}, RebaseRefused),
    ],
)
async def test_only_a_whole_other_version_is_taken(
    plane: VmPlane, change: dict[str, Any], error: type[Exception]
) -> None:
    await plane.know(NEW.evolve(**change))
    with pytest.raises(error):
        await plane.disks.rebase("web")
    assert plane.node_vms.calls == []


async def test_another_image_is_no_version(plane: VmPlane) -> None:
    await plane.know(a_ready_image("other", digest="sha256:" + "e" * 64))
    with pytest.raises(RebaseRefused, match="no version"):
        await plane.disks.rebase("web", "other")


async def test_a_vm_that_runs_or_is_not_made_yet_is_refused(plane: VmPlane) -> None:
    await plane.know(_vm(_report(PowerState.RUNNING)))
    with pytest.raises(VmRunning):
        await plane.disks.rebase("web")
    await plane.know(_vm(VmReport(vm_id="web", state=PowerState.PROVISIONING, stage=BootStage.IMAGE)))
    for refused in (plane.disks.grow("web", 9), plane.disks.flatten("web"), plane.disks.snapshot("web", "a")):
        with pytest.raises(VmBusy):
            await refused


async def test_a_flattened_disk_needs_no_image(plane: VmPlane) -> None:
    vm = await plane.disks.flatten("web")
    assert vm.report.disk is not None
    assert vm.report.disk.task == DiskTask(kind=DiskTaskKind.FLATTEN)
    await told(plane, base_digest="", flat=True)
    vm = await plane.vms.get("web")
    assert (vm.image_id, vm.image_digest, vm.image_name) == ("", "", "debian")


async def test_growing_says_so_in_the_record(plane: VmPlane) -> None:
    plane.node_vms.orders["web"] = _vm()
    assert (await plane.disks.grow("web", 9)).disk_gib == 9
    assert plane.node_vms.asked(f"grow {9 * GIB}") == ["web"]


async def test_an_image_that_a_snapshot_needs_is_not_flattened_away(plane: VmPlane) -> None:
    kept = Snapshot(name="monday", created_at=NOW, size_bytes=2 * GIB, base_digest=DIGEST)
    await told(plane, base_digest="", flat=True, snapshots=(kept,))
    assert (await plane.vms.get("web")).image_id == ""
    assert await users(plane, "old") == ("web",)
    with pytest.raises(ImageInUse, match="snapshot 'monday' of VM 'web'") as refused:
        await plane.deletions.delete(ImageDeletion(name="old", flatten=True))
    assert "vms snapshots delete web monday" in refused.value.remedy
    assert plane.node_vms.asked("flatten") == []


async def test_an_image_that_a_disk_is_being_put_on_stays(plane: VmPlane) -> None:
    await plane.disks.rebase("web")
    with pytest.raises(ImageInUse, match="being put on it"):
        await plane.deletions.delete(ImageDeletion(name="new", flatten=True))


async def test_restarting_asks_or_insists(plane: VmPlane) -> None:
    plane.node_vms.say("web", state=PowerState.RUNNING)
    await plane.vms.reboot("web", force=False)
    assert plane.node_vms.asked("reboot 60") == ["web"]
    await plane.vms.reboot("web", force=True)
    assert [plane.node_vms.asked(call) for call in ("force_stop", "start")] == [["web"], ["web"]]
    plane.node_vms.say("web", state=PowerState.STOPPED)
    with pytest.raises(VmNotRunning):
        await plane.vms.reboot("web", force=True)
