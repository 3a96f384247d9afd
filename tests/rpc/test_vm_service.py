"""VMService through its real door: JSON over HTTP and a Connect client, with a node behind real gRPC."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorMissing
from image_library.domain.guest_hardware import Devices
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.machine import Firmware
from image_library.domain.processors import CpuModel
from image_library.domain.vm import BootStage
from limiquantix.compute.v1 import vm_pb as pb
from limiquantix.compute.v1.vm_connect import VMServiceClient
from tests.fakes.control_values import DIGEST
from tests.rpc.vm_door import GOLDEN, JOIN, KEY, Door, wish
from tests.support.rpc import Json, RpcError


async def test_a_vm_is_made_on_its_node_and_runs(door: Door) -> None:
    vm = await door.create(sshAuthorizedKeys=[KEY], packages=["nginx"])
    status = vm["status"]
    assert (status["state"], status["stage"]) == ("RUNNING", "boot")
    assert (status["sshHost"], status["sshPort"], status["sshUser"]) == ("127.0.0.1", 2222, "debian")
    assert (status["nodeId"], status["imageName"]) == ("node-a-id", "golden")
    order = door.node.orders[vm["id"]]
    assert (order.disk.backing_digest, order.disk.backing_path) == (DIGEST, "")
    assert (order.cores, order.memory_mib) == (
        vm["spec"]["cpu"]["cores"],
        int(vm["spec"]["memory"]["sizeMib"]),
    )
    assert KEY in order.seed.user_data


async def test_an_old_client_names_the_image_by_its_path(door: Door) -> None:
    old = {
        "name": "old",
        "spec": {"disks": [{"backingFile": GOLDEN, "sizeGib": "10"}]},
        "startOnCreate": True,
    }
    vm = await door.call("CreateVM", old)
    assert door.node.orders[vm["id"]].disk.size_gib == 10


async def test_no_answer_repeats_what_may_be_secret(door: Door) -> None:
    made = await door.create(
        userData="#!/bin/sh\n# canary-1\n", runCommands=["echo canary-2"], vendorData="#!canary-3"
    )
    seen = [made, await door.call("GetVM", {"id": "web"}), await door.call("ListVMs")]
    assert "canary" not in json.dumps(seen)
    assert "canary-1" in door.node.orders[made["id"]].seed.user_data


def holding(folder: Path, text: bytes) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text in path.read_bytes()]


async def test_a_password_in_plain_is_nowhere_once_it_was_read(
    door: Door, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await door.create(users=[{"password": "canary-8"}])
    for refused in ({"password": "canary-8\n"}, {"password": "canary-8", "passwordHash": "canary-8"}):
        code, _ = await door.refused("CreateVM", wish("other", users=[refused]))
        assert code == "invalid_argument"
    seen = [made, await door.call("GetVM", {"id": "web"}), await door.call("ListVMs")]
    assert "canary-8" not in json.dumps(seen) + "".join(capfd.readouterr())
    assert holding(tmp_path, b"canary-8") == []
    seed = door.node.orders[made["id"]].seed
    assert "hashed_passwd: $6$rounds=" in seed.user_data
    assert "canary-8" not in seed.user_data


async def test_windows_setups_answers_reach_the_node_and_nobody_else(
    door: Door, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = wish()
    asked["spec"]["provisioning"] = {
        "sysprep": {
            "administratorPassword": "canary-10",
            "domain": "example.com",
            "domainUser": "joiner",
            "domainPassword": "canary-11",
        }
    }
    preview = await door.call("PreviewProvisioning", asked)
    assert preview["datasource"] == "DATASOURCE_ANSWER_FILE"
    assert preview["paths"] == {"user_data": "Unattend.xml"}
    assert (preview["user"], preview["userData"].count("(hidden)")) == ("Administrator", 2)
    report = await door.call("PreflightVM", asked)
    assert report["findings"][0]["code"] == "windows.image"
    assert (await door.refused("CreateVM", asked))[1] == "VM_PREFLIGHT_FAILED"

    made = await door.call("CreateVM", {**asked, "force": True})
    seen = [preview, report, made, await door.call("GetVM", {"id": "web"}), await door.call("ListVMs")]
    assert "canary" not in json.dumps(seen) + "".join(capfd.readouterr())
    assert "<Password>canary-11</Password>" in door.node.orders[made["id"]].seed.user_data
    # Once the node has it, no row has.
    with closing(sqlite3.connect(tmp_path / "controlplane.db")) as database:
        assert not any("canary" in line for line in database.iterdump())


async def test_get_and_list_find_it(door: Door) -> None:
    made = await door.create()
    assert (await door.call("GetVM", {"id": made["id"]}))["name"] == "web"
    assert (await door.call("GetVM", {"id": "web"}))["id"] == made["id"]
    listed = await door.call("ListVMs", {"states": ["RUNNING"], "nodeId": "node-a-id"})
    assert ([vm["name"] for vm in listed["vms"]], listed["totalCount"]) == (["web"], 1)
    assert await door.call("ListVMs", {"states": ["STOPPED"]}) == {}
    assert await door.call("ListVMs", {"states": ["TERMINATED"]}) == {}
    for nothing in ([0], ["UNKNOWN"]):
        assert (await door.call("ListVMs", {"states": nothing}))["totalCount"] == 1
    assert await door.call("ListVMs", {"states": ["UNKNOWN", "STOPPED"]}) == {}


async def test_the_list_comes_in_pages(door: Door) -> None:
    for name in ("a", "b", "c"):
        await door.create(name)
    first = await door.call("ListVMs", {"pageSize": 2})
    second = await door.call("ListVMs", {"pageSize": 2, "pageToken": first["nextPageToken"]})
    assert [vm["name"] for vm in first["vms"] + second["vms"]] == ["c", "b", "a"]
    assert (first["totalCount"], second.get("nextPageToken", "")) == (3, "")
    assert await door.refused("ListVMs", {"pageToken": "forged"}) == (
        "invalid_argument",
        "REQUEST_PAGE_TOKEN",
    )
    assert (await door.refused("ListVMs", {"pageSize": -1}))[0] == "invalid_argument"


async def test_it_is_stopped_started_and_deleted(door: Door) -> None:
    vm = await door.create()
    assert (await door.call("StopVM", {"id": "web", "timeoutSec": 7}))["status"]["state"] == "STOPPED"
    assert (await door.call("StartVM", {"id": "web"}))["status"]["state"] == "RUNNING"
    assert (await door.call("StopVM", {"id": "web", "force": True}))["status"]["state"] == "STOPPED"
    assert door.node.stopped == [(vm["id"], 7), (vm["id"], -1)]
    assert await door.call("DeleteVM", {"id": "web"}) == {}
    assert await door.refused("GetVM", {"id": "web"}) == ("not_found", "VM_UNKNOWN")
    assert door.node.orders == {}


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"name": "a b"}, "invalid_argument", "NAME_INVALID"),
        ({"name": ""}, "invalid_argument", "NAME_INVALID"),
        ({"spec": {}}, "invalid_argument", "REQUEST_INVALID"),
        ({"spec": {"disks": [{"image": "goldn"}]}}, "not_found", "IMAGE_UNKNOWN"),
        ({"spec": {"disks": [{"backingFile": "/etc/shadow"}]}}, "invalid_argument", "REQUEST_INVALID"),
        ({"spec": {"disks": [{"image": "golden", "sizeGib": "1"}]}}, "invalid_argument", "DISK_TOO_SMALL"),
        ({"nodeId": "nowhere"}, "not_found", "NODE_UNKNOWN"),
        ({"templateId": "t"}, "invalid_argument", "REQUEST_INVALID"),
        ({"spec": {"template": {"isTemplate": True}}}, "unimplemented", "RPC_UNIMPLEMENTED"),
    ],
)
async def test_bad_wishes_are_refused_by_name_and_leave_nothing(
    door: Door, changes: Json, code: str, reason: str
) -> None:
    assert await door.refused("CreateVM", wish() | changes) == (code, reason)
    assert await door.call("ListVMs") == {}
    assert door.node.orders == {}


@pytest.mark.parametrize(
    ("cloud_init", "reason"),
    [
        ({"hostname": "not a host"}, "CLOUD_INIT_HOSTNAME"),
        ({"defaultUser": "Not A User"}, "CLOUD_INIT_USER"),
        ({"sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}, "CLOUD_INIT_SSH_KEY"),
        ({"packages": ["-y"]}, "CLOUD_INIT_USER_DATA"),
        ({"userData": "## template: jinja\n#cloud-config\n", "hostname": "x"}, "CLOUD_INIT_USER_DATA"),
        ({"metaData": "- no mapping"}, "CLOUD_INIT_USER_DATA"),
    ],
)
async def test_bad_provisioning_is_refused_by_name(door: Door, cloud_init: Json, reason: str) -> None:
    for method in ("CreateVM", "PreviewProvisioning"):
        assert await door.refused(method, wish(**cloud_init)) == ("invalid_argument", reason)
    assert await door.call("ListVMs") == {}


async def test_a_private_key_is_never_repeated(door: Door) -> None:
    with pytest.raises(RpcError) as refused:
        await door.create(sshAuthorizedKeys=["-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n"])
    assert "private key" in refused.value.message
    assert "c2VjcmV0" not in refused.value.message + json.dumps(refused.value.details)


async def test_a_name_is_given_once(door: Door) -> None:
    await door.create()
    assert await door.refused("CreateVM", wish()) == ("already_exists", "NAME_TAKEN")
    assert await door.refused("CreateVM", wish() | {"name": "WEB"}) == ("already_exists", "NAME_TAKEN")


async def test_what_the_node_says_reaches_the_caller_whole(door: Door) -> None:
    door.node.refusal = HypervisorMissing("qemu-system-x86_64 is not installed.")
    with pytest.raises(RpcError, match="apt-get install") as refused:
        await door.create()
    assert refused.value.code == "failed_precondition"
    assert await door.call("ListVMs") == {}
    assert door.node.orders == {}


async def test_a_running_vm_is_not_deleted_without_force(door: Door) -> None:
    await door.create()
    assert await door.refused("DeleteVM", {"id": "web"}) == ("failed_precondition", "VM_RUNNING")
    assert await door.call("DeleteVM", {"id": "web", "force": True}) == {}


async def test_a_password_is_hashed_and_shown_to_nobody(door: Door) -> None:
    users = [{"password": "canary-7", "mustChangePassword": True}, {"name": "bob", "fullName": "Bob"}]
    preview = await door.call("PreviewProvisioning", wish(users=users, locale="de_DE.UTF-8"))
    assert "hashed_passwd: (hidden)" in preview["userData"]
    assert "gecos: Bob" in preview["userData"]
    assert "locale: de_DE.UTF-8" in preview["userData"]
    assert "canary-7" not in str(preview)
    assert (preview["datasource"], preview["user"]) == ("DATASOURCE_NOCLOUD", "debian")
    assert preview["paths"] == {
        "user_data": "user-data",
        "meta_data": "meta-data",
        "network_config": "network-config",
        "vendor_data": "vendor-data",
    }


async def test_a_guest_shall_report_to_its_node_unless_its_user_says_otherwise(door: Door) -> None:
    preview = await door.call("PreviewProvisioning", wish())
    assert '"url": "http://10.0.2.100/(hidden)"' in preview["vendorData"]
    made = await door.create()
    seed = door.node.orders[made["id"]].seed
    # The token is the node's to make; nobody else ever has it.
    assert (seed.phone_home, seed.vendor_data) == (True, "")
    theirs: tuple[Json, ...] = (
        {"vendorData": "#!/bin/sh\n"},
        {"phoneHome": {"url": "http://x.example/"}},
        {"userData": "#cloud-config\nphone_home: {url: 'http://x.example/'}\n"},
    )
    for number, own in enumerate(theirs):
        preview = await door.call("PreviewProvisioning", wish(**own))
        assert "10.0.2.100" not in json.dumps(preview)
        made = await door.create(f"own-{number}", **own)
        assert not door.node.orders[made["id"]].seed.phone_home


async def test_what_a_guest_reported_and_what_failed_in_it_reach_the_caller(door: Door) -> None:
    made = await door.create()
    guest = GuestReport(instance_id="i-1", hostname="web", host_keys=(KEY,))
    door.node.say(made["id"], guest=guest, failures=(ModuleFailure(module="ntp", lines=("no server",)),))
    authorization = {"Authorization": f"Bearer {door.plane.token}"}
    async with asyncio.timeout(20), VMServiceClient(door.plane.url) as client:
        async for state in client.watch_vm(pb.WatchVMRequest(vm_id="web"), headers=authorization):
            if state.status is not None and state.status.guest is not None:
                break
    for method in ("GetVM", "ListVMs"):
        answer = await door.call(method, {"id": "web"} if method == "GetVM" else {})
        status = answer.get("status") or answer["vms"][0]["status"]
        (key,) = status["guest"]["hostKeys"]
        assert (key["line"], key["fingerprint"][:7]) == (KEY, "SHA256:")
        assert status["cloudInitFailures"] == [{"module": "ntp", "lines": ["no server"]}]


async def test_a_config_drive_is_made_when_it_is_asked_for(door: Door) -> None:
    preview = await door.call("PreviewProvisioning", wish(datasource="DATASOURCE_CONFIG_DRIVE"))
    assert preview["paths"]["meta_data"] == "openstack/latest/meta_data.json"
    assert '"hostname": "web"' in preview["metaData"]


async def test_a_guest_without_a_disk_is_told_the_same_documents(door: Door) -> None:
    preview = await door.call("PreviewProvisioning", wish(datasource="DATASOURCE_NOCLOUD_SMBIOS"))
    disk = await door.call("PreviewProvisioning", wish())
    assert preview["datasource"] == "DATASOURCE_NOCLOUD_SMBIOS"
    assert preview["paths"]["user_data"] == "user-data"
    assert preview["userData"] == disk["userData"]
    assert "(hidden)" in preview["vendorData"]
    assert '"manual_cache_clean": true' in preview["vendorData"]
    # One card with DHCP is what cloud-init does before it is told.
    assert "networkConfig" not in preview


async def test_a_preview_for_a_bridge_names_the_nodes_own_address_as_such(door: Door) -> None:
    bridged = wish()
    bridged["spec"]["nics"] = [{"networkId": "bridge:br0"}]
    vendor_data = (await door.call("PreviewProvisioning", bridged))["vendorData"]
    assert "(guest_url)/(hidden)" in vendor_data
    assert "pub_key" not in vendor_data


async def test_what_would_not_come_up_is_found_and_refused_unless_forced(door: Door) -> None:
    broken = wish(userData="#cloud-config\nssh_pwauth: {canary-9: 1}\n")
    report = await door.call("PreflightVM", broken)
    first = report["findings"][0]
    assert (first["severity"], first["code"]) == ("SEVERITY_BLOCKER", "user_data.schema")
    assert "canary-9" not in str(report)
    with pytest.raises(RpcError) as caught:
        await door.call("CreateVM", broken)
    assert caught.value.code == "failed_precondition"
    assert "ssh_pwauth" in str(caught.value)
    assert (await door.call("CreateVM", {**broken, "force": True}))["name"] == "web"


async def test_a_look_beforehand_makes_nothing_and_names_bad_fields(door: Door) -> None:
    report = await door.call("PreflightVM", wish(hostname="-"))
    assert [finding["code"] for finding in report["findings"]] == ["cloud_init.hostname"]
    report = await door.call("PreflightVM", wish(sshAuthorizedKeys=[KEY]))
    assert "SEVERITY_BLOCKER" not in str(report)
    assert "login.ssh" in str(report)


async def test_a_preview_shows_the_seed_and_makes_nothing(door: Door) -> None:
    preview = await door.call("PreviewProvisioning", wish(sshAuthorizedKeys=[KEY]))
    assert preview["userData"].startswith("#cloud-config\n")
    assert KEY in preview["userData"]
    assert "local-hostname: web" in preview["metaData"]
    assert "dhcp4: true" in preview["networkConfig"]
    assert await door.call("ListVMs") == {}


async def test_nobody_without_the_token_gets_in(door: Door) -> None:
    with pytest.raises(RpcError) as refused:
        await door.call("ListVMs", token="wrong")
    assert refused.value.code == "unauthenticated"


async def test_stages_arrive_while_they_happen_until_the_vm_is_deleted(door: Door) -> None:
    vm = await door.create()
    authorization = {"Authorization": f"Bearer {door.plane.token}"}
    stages: list[str] = []
    async with VMServiceClient(door.plane.url) as client:
        async for state in client.watch_vm(pb.WatchVMRequest(vm_id="web"), headers=authorization):
            assert state.status is not None
            stages.append(state.status.stage)
            match state.status.stage:
                case "boot":
                    door.node.say(vm["id"], stage=BootStage.CLOUD_INIT)
                case "cloud_init":
                    door.node.booted(vm["id"])
                case _:
                    assert list(state.status.ip_addresses) == ["10.0.2.15"]
                    assert state.status.cloud_init_status == "done"
                    await door.call("DeleteVM", {"id": "web", "force": True})
    assert stages == ["boot", "cloud_init", "done"]


async def test_the_console_comes_from_the_offset_on(door: Door) -> None:
    await door.create()
    door.node.console = b"0123456789"
    authorization = {"Authorization": f"Bearer {door.plane.token}"}
    async with VMServiceClient(door.plane.url) as client:
        pieces = client.read_console(pb.ReadConsoleRequest(vm_id="web", offset=3), headers=authorization)
        read = [(piece.offset, bytes(piece.data)) async for piece in pieces]
    assert read == [(3, b"3456"), (7, b"789")]


async def test_firmware_and_tpm_reach_the_node_and_are_shown(door: Door) -> None:
    asked = wish()
    asked["spec"] |= {"firmware": "UEFI_SECURE_BOOT", "tpm": True}
    vm = await door.call("CreateVM", asked)
    assert (vm["spec"]["firmware"], vm["spec"]["tpm"]) == ("UEFI_SECURE_BOOT", True)
    order = door.node.orders[vm["id"]]
    assert (order.firmware, order.tpm) == (Firmware.UEFI_SECURE_BOOT, True)
    asked = wish("plain")
    asked["spec"] |= {"biosOnly": True}
    assert (await door.call("CreateVM", asked))["spec"]["biosOnly"]


async def test_what_no_node_has_is_red_until_one_has_it(door: Door) -> None:
    node = {"hostname": "node-a", "agentEndpoint": door.node.endpoint, "nodeId": "node-a-id"}
    register = "compute.v1.NodeService/RegisterNode"
    await door.call(register, {**node, "capabilities": ["basic", "uefi"]}, token=JOIN)
    asked = wish()
    asked["spec"] |= {"firmware": "UEFI_SECURE_BOOT", "tpm": True}
    report = await door.call("PreflightVM", asked)
    red = {finding["code"] for finding in report["findings"] if finding["severity"] == "SEVERITY_BLOCKER"}
    assert red == {"secure_boot.missing", "tpm.missing"}
    assert await door.refused("CreateVM", asked) == ("failed_precondition", "VM_PREFLIGHT_FAILED")
    assert door.node.orders == {}
    everything = ["basic", "uefi", "secure_boot", "tpm"]
    await door.call(register, {**node, "capabilities": everything}, token=JOIN)
    shown = await door.call("compute.v1.NodeService/GetNode", {"id": "node-a-id"})
    assert shown["facts"]["capabilities"] == everything
    assert (await door.call("CreateVM", asked))["name"] == "web"


async def test_bridges_devices_and_processors_reach_the_node_and_are_shown(door: Door) -> None:
    asked = wish()
    asked["spec"] |= {
        "nics": [{"networkId": "bridge:br0"}, {"networkId": "default"}],
        "cpu": {"model": "x86-64-v3"},
        "devices": "emulated",
    }
    vm = await door.call("CreateVM", asked)
    assert [nic.get("networkId", "") for nic in vm["spec"]["nics"]] == ["bridge:br0", ""]
    assert (vm["spec"]["cpu"]["model"], vm["spec"]["devices"]) == ("x86-64-v3", "emulated")
    order = door.node.orders[vm["id"]]
    assert (order.bridges, order.cpu_model, order.devices) == (("br0",), CpuModel.V3, Devices.EMULATED)
    for changes in (
        {"nics": [{"networkId": "bridge:br0,script=/x"}]},
        {"cpu": {"model": "host,+vmx"}},
        {"devices": "floppy"},
    ):
        odd = wish("odd")
        odd["spec"] |= changes
        assert (await door.refused("CreateVM", odd))[0] == "invalid_argument"
    assert list(door.node.orders) == [vm["id"]]


async def test_a_disc_with_drivers_is_an_iso_of_the_library_that_stays_while_it_is_needed(door: Door) -> None:
    digest = "sha256:" + "d" * 64
    iso = {"path": "/data/cloud-images/drivers.iso", "filename": "drivers.iso", "sizeBytes": "9"}
    iso |= {"virtualSizeBytes": "9", "format": "iso", "checksum": digest}
    report = {"nodeId": "node-a-id", "images": [iso], "partial": True}
    await door.call("storage.v1.ImageService/ScanLocalImages", report, token=JOIN)
    asked = wish()
    asked["spec"] |= {"driverIso": "drivers"}
    vm = await door.call("CreateVM", asked)
    assert vm["spec"]["driverIso"]
    assert door.node.orders[vm["id"]].driver_digest == digest
    images = "storage.v1.ImageService/DeleteImage"
    assert (await door.refused(f"{images}", {"id": "drivers"}))[1] == "IMAGE_IN_USE"
