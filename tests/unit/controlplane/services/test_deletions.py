"""The end of images: refused while they are needed, at once where not, and finished when nodes return."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from image_library.controlplane.services.deletions import LOOK_AGAIN_SECONDS, ImageDeletion
from image_library.domain.errors import (
    ImageChanged,
    ImageInUse,
    ImageIsLocal,
    ImageNotReady,
    ImageProtected,
    NodeUnreachable,
    StorageFull,
    UnknownImage,
    VmRunning,
)
from image_library.domain.image import ImagePhase
from image_library.domain.inventory import Inventory
from image_library.domain.job import JobState
from image_library.domain.node import Heartbeat, NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from tests.fakes.control_clock import settle
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    a_copy,
    a_job,
    a_node,
    a_published_image,
    a_ready_image,
    a_reported,
    a_vm,
    an_image,
    an_order,
)
from tests.fakes.control_vms import VmPlane, a_wish


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    await made.know(a_node())
    yield made
    await made.close()


async def delete(plane: VmPlane, name: str = "image-1", **how: Any) -> None:
    await plane.deletions.delete(ImageDeletion(name=name, **how))


async def is_gone(plane: VmPlane, image_id: str = "image-1") -> bool:
    async with plane.database.read() as records:
        return await records.images.get(image_id) is None


def stopped(vm_id: str = "vm-1", **changes: Any) -> Vm:
    report = VmReport(vm_id=vm_id, state=PowerState.STOPPED, stage=BootStage.DONE)
    facts: dict[str, Any] = {"image_id": "image-1", "image_name": "debian", "image_digest": DIGEST}
    return a_vm(vm_id, **{"node_id": "node-1", "report": report, **facts, **changes})


async def test_deleting_removes_every_copy_and_the_record(plane: VmPlane) -> None:
    await plane.know(a_node("node-2"), a_ready_image(placements=(a_copy("node-1"), a_copy("node-2"))))
    await delete(plane)
    assert sorted(plane.nodes.removed) == [("node-1", DIGEST), ("node-2", DIGEST)]
    with pytest.raises(UnknownImage):
        await plane.images.get("image-1")


async def test_an_image_under_vms_stays_and_the_first_ten_are_named(plane: VmPlane) -> None:
    await plane.know(a_ready_image(), *(stopped(f"vm-{n:02}") for n in range(12)))
    with pytest.raises(ImageInUse, match=r"VMs vm-00, .*, vm-09 and 2 more\.") as refused:
        await delete(plane)
    assert "--cascade" in refused.value.remedy
    assert ((await plane.image("image-1")).phase, plane.nodes.removed) == (ImagePhase.READY, [])


async def test_an_image_being_downloaded_stays(plane: VmPlane) -> None:
    await plane.know(an_image(), a_job(state=JobState.FETCHING))
    with pytest.raises(ImageInUse, match="jobs cancel job-1"):
        await delete(plane)


async def test_a_protected_image_stays(plane: VmPlane) -> None:
    await plane.know(a_ready_image(protected=True))
    for flatten in (False, True):
        with pytest.raises(ImageProtected, match="images unprotect image-1"):
            await delete(plane, flatten=flatten)
    assert not await is_gone(plane)


async def test_who_saw_an_older_image_deletes_nothing(plane: VmPlane) -> None:
    await plane.know(a_ready_image())
    with pytest.raises(ImageChanged):
        await delete(plane, etag="image-1-7")
    await delete(plane, etag=(await plane.image("image-1")).etag)
    assert await is_gone(plane)


async def test_an_operators_file_stays(plane: VmPlane) -> None:
    await plane.know(a_ready_image(digest=""))
    with pytest.raises(ImageIsLocal, match=r"/images/debian-12\.qcow2"):
        await delete(plane)


async def test_a_copy_that_another_image_shares_stays(plane: VmPlane) -> None:
    await plane.know(a_ready_image("one"), a_ready_image("two"))
    await delete(plane, "one")
    assert plane.nodes.removed == []
    await delete(plane, "two")
    assert plane.nodes.removed == [("node-1", DIGEST)]


async def test_a_failed_image_without_copies_is_deleted(plane: VmPlane) -> None:
    await plane.know(an_image(phase=ImagePhase.ERROR))
    await delete(plane)
    assert await is_gone(plane)


async def test_the_name_points_to_the_newest_version_that_is_whole(plane: VmPlane) -> None:
    old = a_ready_image("v1", name="web", current=False)
    failed = an_image("v2", name="web", version=2, current=False, phase=ImagePhase.ERROR)
    await plane.know(old, failed, a_ready_image("v3", name="web", version=3, digest=OTHER_DIGEST))
    await delete(plane, "web")
    assert (await plane.images.get("web")).id == "v1"
    await delete(plane, "web")
    assert (await plane.images.get("web")).id == "v2"
    await delete(plane, "web@2")
    with pytest.raises(UnknownImage):
        await plane.images.get("web")


async def test_deleting_an_old_version_leaves_the_name_where_it_points(plane: VmPlane) -> None:
    old = a_ready_image("v1", name="web", current=False)
    await plane.know(old, a_ready_image("v2", name="web", version=2, digest=OTHER_DIGEST))
    await delete(plane, "web@1")
    assert (await plane.images.get("web")).id == "v2"


# Nodes that are away


async def test_a_node_that_is_away_keeps_nobody_waiting(plane: VmPlane) -> None:
    await plane.know(a_node(phase=NodePhase.OFFLINE), a_ready_image())
    plane.nodes.go_away("node-1")
    await delete(plane)
    assert (await is_gone(plane), plane.nodes.removed) == (True, [])


async def test_a_node_removes_its_copy_when_it_is_back(plane: VmPlane) -> None:
    await plane.know(a_ready_image())
    plane.nodes.go_away("node-1")
    await delete(plane)
    again = await plane.restarted()
    again.nodes.away.add("node-1")
    async with running(again):
        assert again.nodes.removed == []
        again.nodes.away.clear()
        await again.know(a_node(phase=NodePhase.OFFLINE))
        await again.registry.beat(Heartbeat(node_id="node-1"))
        await settle()
        assert again.nodes.removed == [("node-1", DIGEST)]
        async with again.database.read() as records:
            assert await records.tombstones.waiting() == ()


async def test_a_node_that_refuses_is_asked_again_later(plane: VmPlane) -> None:
    await plane.know(a_ready_image())
    plane.nodes.remove_refusal = ImageInUse("A VM that nobody knows is built on it.")
    async with running(plane):
        await delete(plane)
        assert plane.nodes.removed == []
        plane.nodes.remove_refusal = None
        await plane.clock.advance(LOOK_AGAIN_SECONDS)
        assert plane.nodes.removed == [("node-1", DIGEST)]


async def test_a_node_that_comes_back_with_a_deleted_image_does_not_bring_it_back(plane: VmPlane) -> None:
    await plane.know(a_ready_image(), a_node("node-9"))
    await delete(plane)
    report = Inventory(node_id="node-9", images=(a_reported(checksum=DIGEST),), complete=True)
    async with running(plane):
        result = await plane.inventory.reconcile(report)
        assert (result.registered, result.errors) == (0, [])
        await settle()
        assert ("node-9", DIGEST) in plane.nodes.removed
    assert await is_gone(plane)


async def test_the_same_bytes_are_welcome_once_somebody_fetches_them_again(plane: VmPlane) -> None:
    await plane.know(a_ready_image(name="debian-12", catalog_id="debian-12"))
    plane.nodes.go_away("node-1")
    await delete(plane)
    plane.nodes.away.clear()
    vm = await plane.vms.create(a_wish())
    await settle()
    plane.nodes.say(vm.job_id, state=JobState.READY, published=a_published_image())
    await settle()
    await plane.deletions.go_on()
    assert plane.nodes.removed == []
    result = await plane.inventory.reconcile(
        Inventory(node_id="node-1", images=(a_reported(checksum=DIGEST),), complete=True)
    )
    assert result.existing == 1


async def test_bytes_that_a_job_is_about_to_find_again_are_left_to_it(plane: VmPlane) -> None:
    await plane.know(a_ready_image(name="debian-12"))
    plane.nodes.go_away("node-1")
    await delete(plane)
    plane.nodes.away.clear()
    pinned = an_order("job-9", image_id="image-9", digest=DIGEST.removeprefix("sha256:"))
    async with plane.database.write() as records:
        await records.jobs.add(a_job("job-9", image_id="image-9", image_name="other"), pinned)
    await plane.deletions.go_on()
    assert plane.nodes.removed == []


# VMs that are given disks of their own


async def test_stopped_vms_get_disks_of_their_own_and_the_image_goes(plane: VmPlane) -> None:
    await plane.know(a_ready_image(), stopped("web"), stopped("db"))
    for name in ("web", "db"):
        plane.node_vms.reports[name] = VmReport(vm_id=name, state=PowerState.STOPPED)
    await delete(plane, flatten=True)
    assert plane.node_vms.asked("flatten") == ["db", "web"]
    assert plane.nodes.removed == [("node-1", DIGEST)]
    vm = await plane.vms.get("web")
    assert (vm.image_id, vm.image_digest, vm.image_path, vm.image_name) == ("", "", "", "debian")


@pytest.mark.parametrize("state", [PowerState.RUNNING, PowerState.PROVISIONING, PowerState.UNKNOWN])
async def test_a_vm_that_is_not_stopped_is_named_with_the_remedy(plane: VmPlane, state: PowerState) -> None:
    running_vm = stopped("web", report=VmReport(vm_id="web", state=state, stage=BootStage.DONE))
    await plane.know(a_ready_image(), running_vm, stopped("db"))
    with pytest.raises(VmRunning, match="web") as refused:
        await delete(plane, flatten=True)
    assert "vms stop web" in refused.value.remedy
    assert plane.node_vms.asked("flatten") == []
    assert (await plane.image("image-1")).phase is ImagePhase.READY


@pytest.mark.parametrize("why", [StorageFull("No space."), NodeUnreachable("Away."), VmRunning("Started.")])
async def test_where_a_vm_gets_no_disk_the_image_stays_as_it_was(
    plane: VmPlane, why: StorageFull | NodeUnreachable | VmRunning
) -> None:
    await plane.know(a_ready_image(), stopped("web"))
    plane.node_vms.refusals["flatten"] = why
    with pytest.raises(type(why)):
        await delete(plane, flatten=True)
    assert (await plane.image("image-1")).phase is ImagePhase.READY
    assert (await plane.vms.get("web")).image_id == "image-1"


async def test_a_vm_that_was_never_made_is_made_from_the_name_later(plane: VmPlane) -> None:
    never = stopped("web", report=VmReport(vm_id="web", state=PowerState.STOPPED, stage=BootStage.IMAGE))
    await plane.know(a_ready_image(), never.evolve(image_name="debian-12"))
    await delete(plane, flatten=True)
    assert plane.node_vms.asked("flatten") == []
    again = await plane.vms.start("web")
    assert (again.report.state, again.image_name) == (PowerState.PROVISIONING, "debian-12")


async def test_a_deletion_that_was_broken_off_is_finished_by_the_next_start(plane: VmPlane) -> None:
    await plane.know(a_ready_image(phase=ImagePhase.DELETING), stopped("web"))
    plane.node_vms.reports["web"] = VmReport(vm_id="web", state=PowerState.STOPPED)
    async with running(plane):
        await settle()
        assert await is_gone(plane)
        assert (await plane.vms.get("web")).image_id == ""


async def test_a_deletion_that_was_broken_off_waits_for_the_vms_node(plane: VmPlane) -> None:
    await plane.know(a_ready_image(phase=ImagePhase.DELETING), stopped("web"))
    plane.node_vms.away.add("node-1")
    async with running(plane):
        await settle()
        assert (await plane.image("image-1")).phase is ImagePhase.DELETING
        plane.node_vms.away.clear()
        plane.node_vms.reports["web"] = VmReport(vm_id="web", state=PowerState.STOPPED)
        await plane.know(a_node(phase=NodePhase.OFFLINE))
        await plane.registry.beat(Heartbeat(node_id="node-1"))
        await settle()
        assert await is_gone(plane)


async def test_nothing_is_built_on_an_image_that_is_being_deleted(plane: VmPlane) -> None:
    image = a_ready_image(name="golden", os=OsInfo(default_user="ops"))
    await plane.know(image.evolve(phase=ImagePhase.DELETING))
    with pytest.raises(ImageNotReady, match="golden"):
        await plane.vms.create(a_wish(image="golden"))
    assert plane.node_vms.orders == {}


def running(plane: VmPlane) -> Any:
    """The deletions' own task, while the block lasts."""
    return plane.beside(plane.deletions.run())
