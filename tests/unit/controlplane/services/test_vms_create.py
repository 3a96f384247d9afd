"""Creating VMs: refused before anything is there, made at once, or waiting for the image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
import structlog
import structlog.testing

from image_library.controlplane.services.vms import Deletion
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import (
    AmbiguousImage,
    DiskTooSmall,
    HypervisorMissing,
    ImageNotReady,
    Internal,
    InvalidHostname,
    InvalidName,
    InvalidRequest,
    InvalidSshKey,
    LibraryError,
    NameTaken,
    NodeUnreachable,
    NoNodeReady,
    NotImplementedYet,
    UnknownImage,
    UnknownNode,
    UnknownVm,
)
from image_library.domain.image import Deprecation, Failure, Image, ImagePhase, Requirements, Visibility
from image_library.domain.job import JobState
from image_library.domain.network_wish import AddressingWish, AddressWish, NetworkWish, NicWish
from image_library.domain.node import NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.trust import TrustLevel
from image_library.domain.vm import BootStage, Datasource, PowerState, Vm
from image_library.domain.vm_wish import DiskWish, VmWish
from tests.fakes.control_clock import settle
from tests.fakes.control_values import (
    DIGEST,
    a_catalog,
    a_copy,
    a_node,
    a_published_image,
    a_ready_image,
    a_variant,
    an_adopted_file,
    an_entry,
)
from tests.fakes.control_vms import VmPlane, a_wish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
GIB = 1024**3

NO_PREFIX = AddressingWish(addresses=(AddressWish(address="10.0.0.1"),))


@pytest.fixture
async def plane() -> AsyncGenerator[VmPlane]:
    made = VmPlane()
    await made.know(a_node())
    yield made
    await made.close()


def debian_image(image_id: str = "image-1", **changes: Any) -> Image:
    facts: dict[str, Any] = {
        "name": "debian-12",
        "catalog_id": "debian-12",
        "os": OsInfo(distribution="debian", architecture="x86_64", default_user="debian"),
        "virtual_size_bytes": 3 * GIB,
    }
    return a_ready_image(image_id, **{**facts, **changes})


@pytest.fixture
async def ready(plane: VmPlane) -> VmPlane:
    """A plane on whose node debian-12 is."""
    await plane.know(debian_image())
    return plane


async def waiting(plane: VmPlane, **changes: Any) -> Vm:
    """A VM that waits for a download which its node has taken up."""
    vm = await plane.vms.create(a_wish(**changes))
    await settle()
    assert vm.job_id in plane.nodes.journal
    return vm


def arrive(plane: VmPlane, vm: Vm) -> None:
    plane.nodes.say(vm.job_id, state=JobState.READY, published=a_published_image())


# Made at once


async def test_a_vm_whose_image_is_there_runs_when_create_answers(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish())
    assert (vm.report.state, vm.report.stage) == (PowerState.RUNNING, BootStage.BOOT)
    assert (vm.node_id, vm.image_id, vm.image_digest, vm.job_id) == ("node-1", "image-1", DIGEST, "")
    assert (vm.report.ssh_host, vm.report.ssh_port, vm.ssh_user) == ("127.0.0.1", 2222, "debian")
    assert [name for name, _ in ready.node_vms.calls[:3]] == ["create", "start", "status"]


async def test_what_is_left_out_is_chosen(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish())
    assert (vm.cores, vm.memory_mib, vm.disk_gib, vm.firmware) == (2, 2048, 0, "bios")
    assert vm.mac_address.startswith("52:54:00:")
    assert vm.project_id == "default"


async def test_the_node_gets_what_was_asked_for(ready: VmPlane) -> None:
    addressing = AddressingWish(addresses=(AddressWish(address="192.0.2.10/24"),))
    nic = NicWish(mac_address="52:54:00:AA:bb:CC", addressing=addressing)
    asked = Provisioning(ssh_authorized_keys=(KEY,))
    wish = a_wish(
        cores=3,
        memory_mib=512,
        network=NetworkWish(nics=(nic,)),
        provisioning=asked,
        disk=DiskWish(image="image-1", size_gib=5),
    )
    vm = await ready.vms.create(wish)
    order = ready.node_vms.orders[vm.id]
    assert (order.cores, order.memory_mib, order.disk_gib) == (3, 512, 5)
    assert order.mac_address == "52:54:00:aa:bb:cc"
    assert KEY in order.seed.user_data
    assert "192.0.2.10/24" in order.seed.network_config
    assert f"instance-id: i-{vm.id}" in order.seed.meta_data


async def test_the_seed_is_forgotten_once_the_node_has_it(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish(provisioning=Provisioning(run_commands=("echo canary",))))
    stored = await ready.stored(vm.id)
    assert stored is not None
    assert stored.seed.user_data == ""
    assert "canary" in ready.node_vms.orders[vm.id].seed.user_data


async def test_what_is_on_a_seed_is_in_no_log(ready: VmPlane) -> None:
    asked = Provisioning(
        user_data="#!/bin/sh\n# canary", run_commands=("echo canary",), vendor_data="#!canary"
    )
    with structlog.testing.capture_logs() as logs:
        await ready.vms.create(a_wish(provisioning=asked))
        ready.node_vms.refusals["start"] = ZeroDivisionError()
        with pytest.raises(Internal):
            await ready.vms.create(a_wish("db", provisioning=asked))
    assert {line["event"] for line in logs} >= {"vm_recorded", "vm_launched", "vm_launch_fault"}
    assert "canary" not in repr(logs)


async def test_a_vm_that_is_not_to_start_is_made_and_stopped(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish(start_on_create=False))
    assert (vm.report.state, vm.report.stage) == (PowerState.STOPPED, BootStage.DISK)
    assert ready.node_vms.asked("start") == []


async def test_an_image_is_named_by_catalog_id_id_or_name(ready: VmPlane) -> None:
    await ready.know(debian_image("image-2", name="golden", catalog_id=""))
    for number, image in enumerate(("debian-12", "image-1", "golden", "image-2")):
        vm = await ready.vms.create(a_wish(f"vm-{number}", image))
        assert vm.image_id == ("image-1" if number < 2 else "image-2")


async def test_an_old_clients_backing_file_is_matched_with_a_known_image(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish(disk=DiskWish(backing_file="/images/debian-12.qcow2")))
    assert vm.image_id == "image-1"


async def test_a_file_that_an_operator_put_there_becomes_a_version_first(plane: VmPlane) -> None:
    await plane.know(debian_image(name="golden", catalog_id="", digest=""))
    vm = await plane.vms.create(a_wish(image="golden"))
    await settle()
    assert (vm.report.state, plane.node_vms.orders) == (PowerState.PROVISIONING, {})
    order = plane.nodes.journal[vm.job_id].order
    assert (order.adopt_path, order.url, order.unverified) == ("/images/debian-12.qcow2", "", True)
    plane.nodes.say(vm.job_id, state=JobState.READY, published=an_adopted_file())
    await settle()
    assert plane.node_vms.orders[vm.id].image_digest == DIGEST
    image = await plane.image("image-1")
    assert (image.digest, image.trust, image.name) == (DIGEST, TrustLevel.UNVERIFIED, "golden")


async def test_two_vms_from_one_operators_file_wait_for_one_adoption(plane: VmPlane) -> None:
    await plane.know(debian_image(name="golden", catalog_id="", digest=""))
    first, second = [await plane.vms.create(a_wish(name, "golden")) for name in ("web", "db")]
    assert first.job_id == second.job_id
    await settle()
    plane.nodes.say(first.job_id, state=JobState.READY, published=an_adopted_file())
    await settle()
    assert {order.image_digest for order in plane.node_vms.orders.values()} == {DIGEST}


async def test_a_file_that_changes_while_it_is_adopted_makes_no_vm(plane: VmPlane) -> None:
    await plane.know(debian_image(name="golden", catalog_id="", digest=""))
    vm = await plane.vms.create(a_wish(image="golden"))
    await settle()
    changed = Failure(code="image.changed", message="golden.qcow2 was changed while it was read.")
    plane.nodes.say(vm.job_id, state=JobState.FAILED, failure=changed)
    await settle()
    failed = await plane.vms.get(vm.id)
    assert failed.failure
    assert failed.failure.code == "image.changed"
    assert (await plane.image("image-1")).phase is ImagePhase.READY
    assert plane.node_vms.orders == {}


async def test_an_image_of_another_project_is_as_unknown_as_any(plane: VmPlane) -> None:
    await plane.know(debian_image("secret-id", name="secret", catalog_id="", visibility=Visibility.PRIVATE))
    for named in ("secret", "secret-id", DIGEST, "secret@1", "secrt"):
        with pytest.raises(UnknownImage) as refused:
            await plane.vms.create(a_wish(image=named, project_id="other"))
        assert "secret" not in refused.value.remedy
    disk = DiskWish(backing_file="/images/debian-12.qcow2")
    with pytest.raises(InvalidRequest, match="not the path of a known image"):
        await plane.vms.create(a_wish(disk=disk, project_id="other"))
    assert (await plane.vms.create(a_wish(image="secret"))).image_id == "secret-id"


async def test_a_project_uses_what_is_shared_with_it_and_what_is_public(plane: VmPlane) -> None:
    shared: dict[str, Any] = {"visibility": Visibility.PROJECT, "shared_projects": ("other",)}
    await plane.know(
        debian_image("a", name="shared", catalog_id="", **shared),
        debian_image("b", name="public", catalog_id="", visibility=Visibility.PUBLIC),
    )
    for n, image in enumerate(("shared", "public")):
        assert (await plane.vms.create(a_wish(f"vm-{n}", image, project_id="other"))).image_name == image
    with pytest.raises(UnknownImage):
        await plane.vms.create(a_wish(image="shared", project_id="third"))


async def test_a_projects_own_name_comes_before_one_of_others(plane: VmPlane) -> None:
    public: dict[str, Any] = {"catalog_id": "", "visibility": Visibility.PUBLIC, "name": "golden"}
    await plane.know(
        debian_image("mine", project_id="mine", **public), debian_image("theirs", project_id="b", **public)
    )
    assert (await plane.vms.create(a_wish(image="golden", project_id="mine"))).image_id == "mine"


async def test_a_catalog_image_that_was_made_private_is_not_used_by_others(ready: VmPlane) -> None:
    image = await ready.image("image-1")
    await ready.know(image.evolve(visibility=Visibility.PRIVATE))
    await ready.know(a_node("node-2"))
    for node in ("", "node-2"):
        with pytest.raises(UnknownImage):
            await ready.vms.create(a_wish(project_id="other", node=node))
    await settle()
    assert (await ready.all_vms(), ready.nodes.journal) == ([], {})


async def test_a_deprecated_image_still_makes_a_vm_that_says_what_to_use(plane: VmPlane) -> None:
    old = Deprecation(reason="Its kernel is old.", replacement="debian-13")
    await plane.know(debian_image(name="golden", catalog_id="", deprecation=old))
    vm = await plane.vms.create(a_wish(image="golden"))
    assert vm.report.state is PowerState.RUNNING
    said = "The image 'golden' is deprecated: Its kernel is old. Use 'debian-13' instead."
    assert vm.warnings == (said,)


async def test_a_hidden_image_is_used_by_its_name(plane: VmPlane) -> None:
    await plane.know(debian_image(name="golden", catalog_id="", hidden=True))
    assert (await plane.vms.create(a_wish(image="golden"))).image_id == "image-1"


async def test_the_vm_is_a_reference_on_its_image(ready: VmPlane) -> None:
    await ready.vms.create(a_wish())
    async with ready.database.read() as records:
        assert await records.images.used_by("image-1") == ("web",)


async def test_the_emptiest_node_that_has_the_image_is_taken(plane: VmPlane) -> None:
    nodes = [a_node(f"node-{n}", disk_used_bytes=used * GIB) for n, used in ((1, 90), (2, 10), (3, 50))]
    await plane.know(*nodes, debian_image(placements=(a_copy("node-1"), a_copy("node-3")), catalog_id=""))
    assert (await plane.vms.create(a_wish(image="image-1"))).node_id == "node-3"
    assert (await plane.vms.create(a_wish("on-1", "image-1", node="node-1.example"))).node_id == "node-1"


async def test_a_node_that_has_what_the_vm_needs_is_taken_before_an_emptier_one(plane: VmPlane) -> None:
    bare = a_node("node-1", capabilities=("basic",))
    able = a_node("node-2", capabilities=("basic", "uefi", "tpm"), disk_used_bytes=90 * GIB)
    copies = (a_copy("node-1"), a_copy("node-2"))
    await plane.know(bare, able, debian_image(placements=copies, catalog_id=""))
    vm = await plane.vms.create(a_wish(image="image-1", firmware="uefi", tpm=True))
    assert (vm.node_id, vm.firmware, vm.tpm) == ("node-2", "uefi", True)
    assert (await plane.vms.create(a_wish("other", "image-1"))).node_id == "node-1"


async def test_a_vm_without_a_disk_of_documents_goes_where_it_has_a_door(plane: VmPlane) -> None:
    bare = a_node("node-1", capabilities=("basic",))
    able = a_node("node-2", capabilities=("basic", "door"), disk_used_bytes=90 * GIB)
    copies = (a_copy("node-1"), a_copy("node-2"))
    await plane.know(bare, able, debian_image(placements=copies, catalog_id=""))
    vm = await plane.vms.create(a_wish(image="image-1", datasource=Datasource.NOCLOUD_SMBIOS))
    assert vm.node_id == "node-2"
    order = plane.node_vms.orders[vm.id]
    assert (order.seed.datasource, order.seed.phone_home) == (Datasource.NOCLOUD_SMBIOS, True)


async def test_an_image_for_uefi_only_gets_uefi(plane: VmPlane) -> None:
    await plane.know(
        debian_image(requirements=Requirements(firmware=("uefi",), min_memory_mib=4096, min_cpu=4))
    )
    vm = await plane.vms.create(a_wish(image="image-1"))
    assert (vm.firmware, vm.memory_mib, vm.cores) == ("uefi", 4096, 4)


# Refused: nothing is left


BAD: list[tuple[dict[str, Any], type[LibraryError]]] = [
    ({"name": ""}, InvalidName),
    ({"name": "a b"}, InvalidName),
    ({"image": "debain-12"}, UnknownImage),
    ({"disk": DiskWish()}, InvalidRequest),
    ({"disk": DiskWish(image="debian-12", backing_file="/x")}, InvalidRequest),
    ({"disk": DiskWish(image="debian-12", volume_id="v")}, InvalidRequest),
    ({"disk": DiskWish(backing_file="/etc/shadow")}, InvalidRequest),
    ({"disk": DiskWish(image="debian-12", size_gib=2)}, DiskTooSmall),
    ({"disk": DiskWish(image="debian-12", size_gib=1 << 40)}, InvalidRequest),
    ({"cores": 100000}, InvalidRequest),
    ({"memory_mib": 1}, InvalidRequest),
    ({"node": "nowhere"}, UnknownNode),
    ({"network": NetworkWish(nics=(NicWish(mac_address="01:00:00:00:00:00"),))}, InvalidRequest),
    ({"network": NetworkWish(nics=(NicWish(),) * 9)}, InvalidRequest),
    ({"network": NetworkWish(nics=(NicWish(addressing=NO_PREFIX),))}, InvalidRequest),
    ({"provisioning": Provisioning(hostname="-")}, InvalidHostname),
    ({"provisioning": Provisioning(ssh_authorized_keys=("x",))}, InvalidSshKey),
    ({"from_template": True}, NotImplementedYet),
    ({"description": "x" * 5000}, InvalidRequest),
    ({"labels": {"k": "v" * 300}}, InvalidRequest),
]


@pytest.mark.parametrize(("changes", "error"), BAD)
async def test_bad_input_is_refused_and_leaves_nothing(
    ready: VmPlane, changes: dict[str, Any], error: type[LibraryError]
) -> None:
    with pytest.raises(error):
        await ready.vms.create(a_wish(**changes))
    assert await ready.all_vms() == []
    assert ready.node_vms.calls == []


@pytest.mark.parametrize(("changes", "error"), [row for row in BAD if row[1] is not DiskTooSmall])
async def test_bad_input_begins_no_download(
    plane: VmPlane, changes: dict[str, Any], error: type[LibraryError]
) -> None:
    with pytest.raises(error):
        await plane.vms.create(a_wish(**changes))
    await settle()
    assert plane.nodes.journal == {}


async def test_a_vm_without_disks_or_with_two_is_refused(ready: VmPlane) -> None:
    disk = DiskWish(image="debian-12")
    for disks in ((), (disk, disk)):
        with pytest.raises(InvalidRequest, match="one disk"):
            await ready.vms.create(VmWish(name="web", disks=disks))


async def test_the_closest_names_are_proposed(plane: VmPlane) -> None:
    with pytest.raises(UnknownImage, match="debian-12"):
        await plane.vms.create(a_wish(image="debain-12"))


async def test_a_name_that_two_images_have_is_ambiguous(plane: VmPlane) -> None:
    public: dict[str, Any] = {"name": "golden", "visibility": Visibility.PUBLIC}
    await plane.know(debian_image(**public), debian_image("image-2", project_id="other", **public))
    with pytest.raises(AmbiguousImage):
        await plane.vms.create(a_wish(image="golden", project_id="third"))


async def test_the_second_vm_of_a_name_is_refused(ready: VmPlane) -> None:
    await ready.vms.create(a_wish())
    with pytest.raises(NameTaken, match="'web'"):
        await ready.vms.create(a_wish())
    await ready.know((await ready.image("image-1")).evolve(visibility=Visibility.PUBLIC))
    assert (await ready.vms.create(a_wish(project_id="other"))).name == "web"


async def test_of_two_at_once_with_one_name_one_is_made(ready: VmPlane) -> None:
    results = await asyncio.gather(*(ready.vms.create(a_wish()) for _ in range(5)), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["NameTaken"] * 4 + ["Vm"]
    assert await ready.all_vms() == ["web"]


@pytest.mark.parametrize("call", ["create", "start", "status"])
async def test_what_the_node_refuses_is_told_and_undone(ready: VmPlane, call: str) -> None:
    ready.node_vms.refusals[call] = HypervisorMissing("There is no qemu.")
    with pytest.raises(HypervisorMissing):
        await ready.vms.create(a_wish())
    assert await ready.all_vms() == []
    assert len(ready.node_vms.asked("delete")) == 1
    del ready.node_vms.refusals[call]
    assert (await ready.vms.create(a_wish())).report.state is PowerState.RUNNING


async def test_a_fault_of_ours_tells_no_details_and_is_undone(ready: VmPlane) -> None:
    ready.node_vms.refusals["create"] = ZeroDivisionError("secret detail")
    with pytest.raises(Internal) as refused:
        await ready.vms.create(a_wish())
    assert "secret detail" not in str(refused.value)
    assert await ready.all_vms() == []


async def test_a_node_that_goes_away_meanwhile_leaves_a_record_of_it(ready: VmPlane) -> None:
    ready.node_vms.away.add("node-1")
    with pytest.raises(NodeUnreachable):
        await ready.vms.create(a_wish())
    vm = await ready.vms.get("web")
    assert vm.report.state is PowerState.STOPPED
    assert vm.failure is not None
    assert vm.failure.code == "node.unreachable"


async def test_a_named_node_that_is_away_is_refused_at_once(ready: VmPlane) -> None:
    await ready.know(a_node(phase=NodePhase.OFFLINE))
    with pytest.raises(NodeUnreachable):
        await ready.vms.create(a_wish(node="node-1"))
    assert await ready.all_vms() == []


async def test_an_image_that_no_answering_node_has_cannot_be_used(plane: VmPlane) -> None:
    await plane.know(
        a_node("node-2"), debian_image(name="golden", catalog_id="", placements=(a_copy("node-2"),))
    )
    with pytest.raises(ImageNotReady, match="on node-2"):
        await plane.vms.create(a_wish(image="golden", node="node-1"))
    await plane.know(a_node("node-2", phase=NodePhase.OFFLINE))
    with pytest.raises(NodeUnreachable, match="node-2"):
        await plane.vms.create(a_wish(image="golden"))


async def test_an_image_that_is_not_whole_anywhere_cannot_be_used(plane: VmPlane) -> None:
    await plane.know(debian_image(name="golden", catalog_id="", phase=ImagePhase.ERROR))
    with pytest.raises(ImageNotReady):
        await plane.vms.create(a_wish(image="golden"))


async def test_without_a_ready_node_nothing_is_begun(plane: VmPlane) -> None:
    await plane.know(a_node(phase=NodePhase.OFFLINE))
    with pytest.raises(NoNodeReady):
        await plane.vms.create(a_wish())


async def test_uefi_is_refused_where_no_variant_boots_with_it() -> None:
    bios = an_entry(variants=(a_variant("x86_64", firmware=("bios",)),))
    plane = VmPlane(a_catalog(bios))
    await plane.know(a_node())
    with pytest.raises(InvalidRequest, match="BIOS only"):
        await plane.vms.create(a_wish(firmware="uefi"))
    await plane.close()


# Waiting for the image


async def test_a_vm_whose_image_must_be_fetched_is_answered_at_once(plane: VmPlane) -> None:
    vm = await waiting(plane)
    assert (vm.report.state, vm.report.stage) == (PowerState.PROVISIONING, BootStage.IMAGE)
    assert vm.job_id
    assert plane.node_vms.calls == []


async def test_it_runs_when_the_image_has_come(plane: VmPlane) -> None:
    vm = await waiting(plane)
    arrive(plane, vm)
    await settle()
    vm = await plane.vms.get(vm.id)
    assert (vm.report.state, vm.image_digest, vm.job_id) == (PowerState.RUNNING, DIGEST, "")


async def test_two_vms_wait_for_one_download(plane: VmPlane) -> None:
    first, second = await waiting(plane), await waiting(plane, name="db")
    assert first.job_id == second.job_id
    arrive(plane, first)
    await settle()
    assert sorted(plane.node_vms.asked("start")) == sorted([first.id, second.id])


async def test_a_download_that_fails_is_the_vms_failure(plane: VmPlane) -> None:
    vm = await waiting(plane)
    failure = Failure(code="verify.digest_mismatch", message="Other bytes.", remedy="Try again.")
    plane.nodes.say(vm.job_id, state=JobState.FAILED, failure=failure)
    await settle()
    vm = await plane.vms.get(vm.id)
    assert (vm.report.state, vm.report.stage, vm.failure) == (PowerState.STOPPED, BootStage.IMAGE, failure)
    assert plane.node_vms.calls == []


async def test_a_vm_that_was_never_made_is_tried_again_by_starting_it(plane: VmPlane) -> None:
    vm = await waiting(plane, start_on_create=False)
    plane.nodes.say(
        vm.job_id, state=JobState.FAILED, failure=Failure(code="import.unreachable", message="No.")
    )
    await settle()
    again = await plane.vms.start("web")
    assert (again.report.state, again.failure) == (PowerState.PROVISIONING, None)
    assert again.job_id != vm.job_id
    await settle()
    arrive(plane, again)
    await settle()
    assert (await plane.vms.get("web")).report.state is PowerState.RUNNING


async def test_a_cancelled_download_is_the_vms_failure_too(plane: VmPlane) -> None:
    vm = await waiting(plane)
    await plane.downloads.cancel(vm.job_id)
    await settle()
    failed = (await plane.vms.get(vm.id)).failure
    assert failed is not None
    assert failed.code == "job.cancelled"


async def test_a_disk_that_proves_too_small_is_the_vms_failure(plane: VmPlane) -> None:
    vm = await waiting(plane, disk=DiskWish(image="debian-12", size_gib=1))
    arrive(plane, vm)
    await settle()
    failed = (await plane.vms.get(vm.id)).failure
    assert failed is not None
    assert failed.code == "disk.too_small"
    assert plane.node_vms.calls == []


async def test_what_the_node_refuses_later_is_written_on_the_vm(plane: VmPlane) -> None:
    vm = await waiting(plane)
    plane.node_vms.refusals["start"] = HypervisorMissing("There is no qemu.")
    arrive(plane, vm)
    await settle()
    vm = await plane.vms.get(vm.id)
    assert vm.report.state is PowerState.STOPPED
    assert vm.failure is not None
    assert vm.failure.code == "hypervisor.missing"


async def test_a_node_that_is_away_is_waited_for(plane: VmPlane) -> None:
    vm = await waiting(plane)
    plane.node_vms.away.add("node-1")
    arrive(plane, vm)
    await settle()
    held = await plane.vms.get(vm.id)
    assert held.report.state is PowerState.PROVISIONING
    assert held.failure is not None
    plane.node_vms.away.clear()
    await plane.clock.advance(1)
    vm = await plane.vms.get(vm.id)
    assert (vm.report.state, vm.failure) == (PowerState.RUNNING, None)


async def test_a_vm_that_waits_waits_on_after_a_restart(plane: VmPlane) -> None:
    vm = await waiting(plane)
    again = await plane.restarted()
    await settle()
    arrive(again, vm)
    await settle()
    assert (await again.vms.get(vm.id)).report.state is PowerState.RUNNING
    await again.close()


async def test_a_vm_that_was_half_made_at_a_restart_is_made_once(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish(provisioning=Provisioning(packages=("nginx",))))
    half = replace(vm.report, state=PowerState.PROVISIONING, stage=BootStage.IMAGE)
    await ready.know(vm.evolve(report=half, seed=ready.node_vms.orders[vm.id].seed))
    again = await ready.restarted()
    await settle()
    assert (await again.vms.get(vm.id)).report.state is PowerState.RUNNING
    assert again.node_vms.asked("create") == [vm.id, vm.id]
    assert "nginx" in again.node_vms.orders[vm.id].seed.user_data
    await again.close()


async def test_deleting_a_vm_that_waits_asks_no_node_and_leaves_the_download(plane: VmPlane) -> None:
    vm = await waiting(plane)
    await plane.vms.delete("web", Deletion())
    arrive(plane, vm)
    await settle()
    assert plane.node_vms.calls == []
    with pytest.raises(UnknownVm):
        await plane.vms.get(vm.id)
    assert (await plane.downloads.get(vm.job_id)).state is JobState.READY


async def test_a_preview_is_the_seed_and_makes_nothing(plane: VmPlane) -> None:
    asked = Provisioning(ssh_authorized_keys=(KEY,), packages=("nginx",))
    seed = (await plane.vms.preview(a_wish(provisioning=asked))).documents
    vm = await waiting(plane, provisioning=asked)
    assert seed.user_data == vm.seed.user_data
    assert "name: debian" in seed.user_data
    assert await plane.all_vms() == ["web"]


async def test_a_launch_whose_vm_is_gone_leaves_nothing_on_the_node(ready: VmPlane) -> None:
    vm = await ready.vms.create(a_wish())
    await ready.records.remove(vm.id)
    ready.launches.begin(vm.evolve(report=replace(vm.report, stage=BootStage.IMAGE)))
    await settle()
    assert ready.node_vms.asked("create") == [vm.id, vm.id]
    assert ready.node_vms.asked("delete") == [vm.id]
