from dataclasses import replace
from datetime import UTC, datetime

import pytest

from image_library.domain.errors import (
    InvalidName,
    InvalidRequest,
    LibraryError,
    NotImplementedYet,
    PathOutside,
)
from image_library.domain.guest_hardware import Devices
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.machine import DiskOrder, Firmware, MachineOrder
from image_library.domain.node import Heartbeat
from image_library.domain.processors import CpuModel
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, SeedDocuments, VmReport
from image_library.wire.heartbeat import heartbeat_from_wire, heartbeat_to_wire
from image_library.wire.node_vm import (
    machine_order_from_wire,
    machine_order_to_wire,
    vm_report_from_wire,
    vm_report_to_wire,
)
from limiquantix.compute.v1.guest_pb import SshHostKey
from limiquantix.node.v1 import node_daemon_pb as pb

ORDER = MachineOrder(
    vm_id="vm-1",
    name="web",
    architecture="aarch64",
    cores=3,
    memory_mib=777,
    firmware=Firmware.UEFI_SECURE_BOOT,
    tpm=True,
    mac_address="52:54:00:00:00:01",
    disk=DiskOrder(path="/p", size_gib=9, backing_digest="sha256:" + "a" * 64, backing_path="/b"),
    seed=SeedDocuments(user_data="u", meta_data="m", network_config="n", vendor_data="v", phone_home=True),
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
FINGERPRINT = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"
REPORT = VmReport(
    vm_id="vm-1",
    name="web",
    state=PowerState.CRASHED,
    stage=BootStage.CLOUD_INIT,
    started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    ssh_host="127.0.0.1",
    ssh_port=40001,
    ip_addresses=("10.0.2.15",),
    cloud_init=CloudInitStatus.ERROR,
    cloud_init_errors=("ntp: no",),
    error_message="gone",
    failures=(ModuleFailure(module="ntp", lines=("no", "server")),),
    guest=GuestReport(
        instance_id="i-1", hostname="web", host_keys=(KEY,), reported_at=datetime(2026, 1, 2, tzinfo=UTC)
    ),
)


def test_an_order_survives_the_wire() -> None:
    sent = pb.CreateVMOnNodeRequest.from_binary(machine_order_to_wire(ORDER).to_binary())
    assert machine_order_from_wire(sent, architecture="x86_64") == ORDER


@pytest.mark.parametrize("firmware", Firmware)
def test_each_firmware_survives_the_wire(firmware: Firmware) -> None:
    sent = machine_order_to_wire(replace(ORDER, firmware=firmware))
    assert machine_order_from_wire(sent, architecture="x86_64").firmware is firmware


def test_bridges_and_what_windows_is_given_survive_the_wire() -> None:
    order = replace(
        ORDER,
        more_mac_addresses=("52:54:00:00:00:02", "52:54:00:00:00:03"),
        bridges=("", "br0"),
        guest_os="windows",
        devices=Devices.EMULATED,
        cpu_model=CpuModel.V3,
        driver_digest="sha256:" + "d" * 64,
    )
    sent = pb.CreateVMOnNodeRequest.from_binary(machine_order_to_wire(order).to_binary())
    assert sent.spec is not None
    assert [nic.bridge for nic in sent.spec.nics] == ["", "br0", ""]
    assert machine_order_from_wire(sent, architecture="x86_64") == order


def test_firmware_of_a_newer_control_plane_is_refused() -> None:
    sent = machine_order_to_wire(ORDER)
    assert sent.spec is not None
    sent.spec.firmware = pb.Firmware(99)
    with pytest.raises(NotImplementedYet):
        machine_order_from_wire(sent, architecture="x86_64")


@pytest.mark.parametrize("report", [REPORT, VmReport(vm_id="vm-2"), replace(REPORT, started_at=None)])
def test_a_report_survives_the_wire(report: VmReport) -> None:
    sent = pb.VMStatusResponse.from_binary(vm_report_to_wire(report).to_binary())
    assert vm_report_from_wire(sent) == report


def test_a_report_survives_the_heartbeat_too() -> None:
    (said,) = heartbeat_from_wire(heartbeat_to_wire(Heartbeat(node_id="n", vms=(REPORT,)))).vms
    assert (said.guest, said.failures) == (REPORT.guest, REPORT.failures)


def test_a_host_key_is_shown_with_its_fingerprint_and_one_that_is_none_is_left_out() -> None:
    sent = vm_report_to_wire(REPORT)
    assert sent.guest is not None
    (key,) = sent.guest.host_keys
    # As ssh-keygen -l prints it.
    assert (key.algorithm, key.fingerprint) == ("ssh-ed25519", FINGERPRINT)
    sent.guest.host_keys.append(SshHostKey(line="* ssh-ed25519 AAAA"))
    assert vm_report_from_wire(sent) == REPORT


def test_words_of_a_newer_node_are_not_known() -> None:
    message = pb.VMStatusResponse(vm_id="a", stage="teleported", cloud_init_status="?")
    report = vm_report_from_wire(message)
    assert (report.stage, report.cloud_init) == (BootStage.DISK, CloudInitStatus.UNKNOWN)


def test_what_is_left_out_gets_the_nodes_own_and_small_sizes() -> None:
    message = pb.CreateVMOnNodeRequest(vm_id="vm-1", spec=pb.VMSpec(disks=[pb.DiskSpec()]))
    order = machine_order_from_wire(message, architecture="x86_64")
    assert (order.name, order.architecture, order.cores) == ("vm-1", "x86_64", 1)
    assert order.seed.meta_data == "instance-id: i-vm-1\n"


def spec(**changes: object) -> pb.CreateVMOnNodeRequest:
    fields: dict[str, object] = {"disks": [pb.DiskSpec()], **changes}
    return pb.CreateVMOnNodeRequest(vm_id="vm-1", spec=pb.VMSpec(**fields))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (pb.CreateVMOnNodeRequest(vm_id="../x"), InvalidRequest),
        (pb.CreateVMOnNodeRequest(vm_id="vm-1", name="a b"), InvalidName),
        (pb.CreateVMOnNodeRequest(vm_id="vm-1"), InvalidRequest),
        (spec(disks=[pb.DiskSpec(), pb.DiskSpec()]), InvalidRequest),
        (spec(disks=[pb.DiskSpec(bus=pb.DiskBus.IDE)]), NotImplementedYet),
        (spec(disks=[pb.DiskSpec(readonly=True)]), NotImplementedYet),
        (spec(cdroms=[pb.CdromSpec(iso_path="/etc/shadow")]), PathOutside),
        (spec(cdroms=[pb.CdromSpec(digest="sha256:a", bootable=True)]), PathOutside),
        (spec(cdroms=[pb.CdromSpec(digest="sha256:a"), pb.CdromSpec(digest="sha256:b")]), PathOutside),
        (spec(cdroms=[pb.CdromSpec()]), PathOutside),
        (spec(devices="floppy"), InvalidRequest),
        (spec(cpu_model="486"), InvalidRequest),
        (spec(nics=[pb.NicSpec(), pb.NicSpec()]), InvalidRequest),
    ],
)
def test_refuses_what_it_cannot_make(message: pb.CreateVMOnNodeRequest, error: type[LibraryError]) -> None:
    with pytest.raises(error):
        machine_order_from_wire(message, architecture="x86_64")
