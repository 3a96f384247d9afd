"""VMs are kept alike by every database: whole, found again, filtered, paged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from image_library.controlplane.ports.records import Database
from image_library.controlplane.ports.vms import VmFilter
from image_library.domain.errors import NameTaken
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import Failure
from image_library.domain.paging import PageRequest
from image_library.domain.processors import CpuModel
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, SeedDocuments, Vm, VmReport
from tests.fakes.control_values import DIGEST, NOW, a_vm

FULL = a_vm(
    "vm-full",
    name="web",
    description="a web server",
    labels={"tier": "web", 'od"d.$': "vä'lue"},
    disk_gib=20,
    firmware="uefi",
    more_mac_addresses=("52:54:00:00:00:09",),
    bridges=("", "br0"),
    guest_os="windows",
    devices=Devices.EMULATED,
    cpu_model=CpuModel.V3,
    driver_image_id="image-9",
    driver_image_name="virtio-win",
    driver_digest=DIGEST,
    node_id="node-1",
    image_id="image-1",
    image_name="debian-12",
    image_digest=DIGEST,
    image_path="/images/debian-12.qcow2",
    ssh_user="debian",
    seed=SeedDocuments(user_data="#cloud-config\n", meta_data="a: 1\n", network_config="v", vendor_data="w"),
    start_on_create=False,
    job_id="job-1",
    report=VmReport(
        vm_id="vm-full",
        name="web",
        state=PowerState.RUNNING,
        stage=BootStage.CLOUD_INIT,
        started_at=NOW,
        ssh_host="127.0.0.1",
        ssh_port=2222,
        ip_addresses=("10.0.2.15", "fec0::1"),
        cloud_init=CloudInitStatus.ERROR,
        cloud_init_errors=("scripts_user: failed",),
        error_message="x",
    ),
    failure=Failure(code="vm.running", message="m", remedy="r"),
)


async def keep(database: Database, *vms: Vm) -> None:
    async with database.write() as records:
        for vm in vms:
            await records.vms.save(vm)


async def names(database: Database, matching: VmFilter) -> list[str]:
    async with database.read() as records:
        page = await records.vms.list(matching, PageRequest(size=50))
    assert page.total == len(page.items)
    return [vm.name for vm in page.items]


async def test_a_vm_comes_back_whole(database: Database) -> None:
    await keep(database, FULL)
    async with database.read() as records:
        assert await records.vms.get(FULL.id) == FULL


async def test_saving_again_replaces(database: Database) -> None:
    await keep(database, FULL, FULL.evolve(cores=7))
    async with database.read() as records:
        assert await records.vms.get(FULL.id) == FULL.evolve(cores=7)


async def test_a_name_is_given_once_in_a_project(database: Database) -> None:
    await keep(database, FULL, a_vm("vm-2", name="web", project_id="other"))
    with pytest.raises(NameTaken):
        await keep(database, a_vm("vm-3", name="web"))
    async with database.read() as records:
        assert {vm.id for vm in await records.vms.named("web")} == {"vm-full", "vm-2"}
        assert [vm.id for vm in await records.vms.named("web", "other")] == ["vm-2"]
        assert [vm.id for vm in await records.vms.named("WEB", "other")] == ["vm-2"]
        assert await records.vms.get("vm-3") is None


async def test_a_removed_vm_is_gone_and_its_name_is_free(database: Database) -> None:
    await keep(database, FULL)
    async with database.write() as records:
        await records.vms.remove(FULL.id)
        await records.vms.remove("never-there")
    await keep(database, a_vm("vm-3", name="web"))
    async with database.read() as records:
        assert await records.vms.get(FULL.id) is None


async def test_vms_are_found_by_node_and_by_state_oldest_first(database: Database) -> None:
    making = VmReport(vm_id="x", state=PowerState.PROVISIONING)
    for number in (2, 1, 3):
        at = NOW + timedelta(seconds=number)
        await keep(database, a_vm(f"vm-{number}", node_id="node-2", report=making, created_at=at))
    await keep(database, FULL)
    async with database.read() as records:
        assert [vm.id for vm in await records.vms.in_state(PowerState.PROVISIONING)] == [
            "vm-1",
            "vm-2",
            "vm-3",
        ]
        assert [vm.id for vm in await records.vms.on_node("node-1")] == [FULL.id]


async def test_every_filter_must_match(database: Database) -> None:
    await keep(database, FULL, a_vm("vm-2", name="db", project_id="other", labels={"tier": "data"}))
    assert sorted(await names(database, VmFilter())) == ["db", "web"]
    assert await names(database, VmFilter(project_id="other")) == ["db"]
    assert await names(database, VmFilter(labels={'od"d.$': "vä'lue", "tier": "web"})) == ["web"]
    assert await names(database, VmFilter(labels={"tier": "data"}, project_id="default")) == []
    assert await names(database, VmFilter(node_id="node-1")) == ["web"]
    assert await names(database, VmFilter(states=frozenset({PowerState.RUNNING, PowerState.LOST}))) == ["web"]


async def test_vms_on_an_away_node_count_as_lost_unless_they_are_being_made(database: Database) -> None:
    making = VmReport(vm_id="vm-2", state=PowerState.PROVISIONING)
    await keep(database, FULL, a_vm("vm-2", name="new", node_id="node-1", report=making))
    away = frozenset({"node-1"})
    assert await names(database, VmFilter(states=frozenset({PowerState.LOST}), away=away)) == ["web"]
    assert await names(database, VmFilter(states=frozenset({PowerState.RUNNING}), away=away)) == []
    assert await names(database, VmFilter(states=frozenset({PowerState.PROVISIONING}), away=away)) == ["new"]


async def test_pages_go_on_where_the_last_one_ended(database: Database) -> None:
    for number in range(5):
        await keep(database, a_vm(f"vm-{number}", created_at=NOW + timedelta(seconds=number)))
    async with database.read() as records:
        first = await records.vms.list(VmFilter(), PageRequest(size=3))
        second = await records.vms.list(VmFilter(), PageRequest(size=3, after=first.next))
    assert [vm.id for vm in first.items] == ["vm-4", "vm-3", "vm-2"]
    assert [vm.id for vm in second.items] == ["vm-1", "vm-0"]
    assert (first.total, second.total, second.next) == (5, 5, None)


async def test_an_image_is_used_by_whose_disc_it_is(database: Database) -> None:
    await keep(database, FULL, a_vm("vm-2", name="plain", image_id="image-9"))
    async with database.read() as records:
        assert [vm.id for vm in await records.vms.using("image-9")] == ["vm-2", "vm-full"]
        assert await records.images.used_by("image-9") == ("plain", "web")
        assert [vm.id for vm in await records.vms.using("image-1")] == ["vm-full"]
        assert await records.vms.using("") == ()
