"""A node's VMs on the wire: what is asked of it, and how each one fares."""

from __future__ import annotations

from collections.abc import Iterator

from image_library.domain.bridges import trimmed
from image_library.domain.errors import InvalidRequest, NotImplementedYet, PathOutside, printable
from image_library.domain.guest_hardware import devices_for
from image_library.domain.identity import valid_name
from image_library.domain.machine import DiskOrder, Firmware, MachineOrder, valid_vm_id
from image_library.domain.network_wish import MOST_CARDS
from image_library.domain.os_info import OsFamily
from image_library.domain.processors import cpu_model
from image_library.domain.vm import (
    BootStage,
    CloudInitStatus,
    Datasource,
    PowerState,
    SeedDocuments,
    VmReport,
)
from image_library.wire.guest_report import (
    failures_from_wire,
    failures_to_wire,
    guest_from_wire,
    guest_to_wire,
)
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.node.v1 import node_daemon_pb as pb

_FIRMWARE = {
    Firmware.BIOS: pb.Firmware.BIOS,
    Firmware.UEFI: pb.Firmware.UEFI,
    Firmware.UEFI_SECURE_BOOT: pb.Firmware.UEFI_SECURE_BOOT,
}
_FIRMWARE_BACK = {there: here for here, there in _FIRMWARE.items()}
_STATES = {
    PowerState.UNKNOWN: pb.PowerState.UNKNOWN,
    PowerState.RUNNING: pb.PowerState.RUNNING,
    PowerState.STOPPED: pb.PowerState.STOPPED,
    PowerState.PAUSED: pb.PowerState.PAUSED,
    PowerState.CRASHED: pb.PowerState.CRASHED,
}
_STATES_BACK = {there: here for here, there in _STATES.items()}
_DEFAULT_CORES = 1
_DEFAULT_MEMORY_MIB = 1024


def machine_order_to_wire(order: MachineOrder) -> pb.CreateVMOnNodeRequest:
    seed, disk = order.seed, order.disk
    return pb.CreateVMOnNodeRequest(
        vm_id=order.vm_id,
        name=order.name,
        spec=pb.VMSpec(
            cpu_cores=order.cores,
            memory_mib=order.memory_mib,
            firmware=_FIRMWARE[order.firmware],
            architecture=order.architecture,
            tpm=order.tpm,
            guest_os=order.guest_os,
            devices=order.devices,
            cpu_model=order.cpu_model,
            cdroms=[pb.CdromSpec(id="drivers", digest=order.driver_digest)] if order.driver_digest else [],
            disks=[
                pb.DiskSpec(
                    id="disk",
                    path=disk.path,
                    size_gib=disk.size_gib,
                    bootable=True,
                    backing_file=disk.backing_path,
                    backing_digest=disk.backing_digest,
                )
            ],
            nics=[
                pb.NicSpec(id=f"nic{number or ''}", mac_address=mac, bridge=bridge)
                for number, (mac, bridge) in enumerate(_cards(order))
            ],
            cloud_init=pb.CloudInitConfig(
                user_data=seed.user_data,
                meta_data=seed.meta_data,
                network_config=seed.network_config,
                vendor_data=seed.vendor_data,
                datasource=seed.datasource.value,
                phone_home=seed.phone_home,
            ),
        ),
    )


def machine_order_from_wire(message: pb.CreateVMOnNodeRequest, *, architecture: str) -> MachineOrder:
    """The order, for the node's own ``architecture`` where it names none.

    Raises:
        InvalidRequest, InvalidName, PathOutside, NotImplementedYet: a field cannot be used.
    """
    vm_id = valid_vm_id(message.vm_id)
    spec = message.spec or pb.VMSpec()
    return MachineOrder(
        vm_id=vm_id,
        name=valid_name(message.name or vm_id),
        architecture=spec.architecture or architecture,
        cores=spec.cpu_cores or _DEFAULT_CORES,
        memory_mib=spec.memory_mib or _DEFAULT_MEMORY_MIB,
        firmware=_firmware(spec),
        tpm=spec.tpm,
        mac_address=spec.nics[0].mac_address if spec.nics else "",
        more_mac_addresses=_more_macs(spec),
        bridges=trimmed(nic.bridge for nic in spec.nics),
        # Names of others mean nothing to a machine.
        guest_os=spec.guest_os if spec.guest_os == OsFamily.WINDOWS.value else "",
        devices=devices_for(spec.devices, OsFamily.UNKNOWN),
        cpu_model=cpu_model(spec.cpu_model),
        driver_digest=_drivers(spec),
        disk=_disk(spec),
        seed=_seed(spec.cloud_init or pb.CloudInitConfig(), vm_id),
    )


def _cards(order: MachineOrder) -> Iterator[tuple[str, str]]:
    """The address and the bridge of each."""
    macs = (order.mac_address, *order.more_mac_addresses)
    return zip(macs, (*order.bridges, *("" for _ in macs)), strict=False)


def _drivers(spec: pb.VMSpec) -> str:
    """The digest of the one disc beside the seed, empty where there is none."""
    if not spec.cdroms:
        return ""
    [disc, *more] = spec.cdroms
    if more or disc.iso_path or disc.bootable or not disc.digest:
        raise PathOutside(
            "A VM gets one disc beside its seed: a published ISO image, by its digest.", field="spec.cdroms"
        )
    return disc.digest


def _firmware(spec: pb.VMSpec) -> Firmware:
    """What a newer control plane may ask for must not silently become something weaker."""
    if spec.firmware not in _FIRMWARE_BACK:
        raise NotImplementedYet("This node does not know that firmware.")
    return _FIRMWARE_BACK[spec.firmware]


def _disk(spec: pb.VMSpec) -> DiskOrder:
    if len(spec.disks) != 1:
        raise InvalidRequest(
            f"A VM has exactly one disk, which is built on an image; {len(spec.disks)} are given.",
            field="spec.disks",
        )
    disk = spec.disks[0]
    if disk.bus != pb.DiskBus.VIRTIO or disk.format != pb.DiskFormat.QCOW2 or disk.readonly or disk.pool_id:
        raise NotImplementedYet("A VM's disk is a writable qcow2 on virtio in the VM's own folder.")
    return DiskOrder(
        path=disk.path,
        size_gib=disk.size_gib,
        backing_digest=disk.backing_digest,
        backing_path=disk.backing_file,
    )


def _more_macs(spec: pb.VMSpec) -> tuple[str, ...]:
    """Of all cards but the first."""
    if len(spec.nics) > MOST_CARDS:
        raise InvalidRequest(f"A VM has at most {MOST_CARDS} network cards.", field="spec.nics")
    more = tuple(nic.mac_address for nic in spec.nics[1:])
    if not all(more):
        raise InvalidRequest("Every further network card has a MAC address.", field="spec.nics.mac_address")
    return more


def _datasource(word: str) -> Datasource:
    known = {source.value: source for source in Datasource}
    if word not in known | {"": None}:
        raise InvalidRequest(
            f"'{printable(word)}' is no datasource of this node.", field="spec.cloud_init.datasource"
        )
    return known.get(word, Datasource.NOCLOUD)


def _seed(config: pb.CloudInitConfig, vm_id: str) -> SeedDocuments:
    """A guest needs an instance-id of its own even where nothing else is asked for."""
    return SeedDocuments(
        user_data=config.user_data,
        meta_data=config.meta_data or f"instance-id: i-{vm_id}\n",
        network_config=config.network_config,
        vendor_data=config.vendor_data,
        datasource=_datasource(config.datasource),
        phone_home=config.phone_home,
    )


def vm_report_to_wire(report: VmReport) -> pb.VMStatusResponse:
    return pb.VMStatusResponse(
        vm_id=report.vm_id,
        name=report.name,
        state=_STATES.get(report.state, pb.PowerState.UNKNOWN),
        started_at=time_to_wire(report.started_at),
        stage=report.stage.value,
        ssh_host=report.ssh_host,
        ssh_port=report.ssh_port,
        ip_addresses=list(report.ip_addresses),
        cloud_init_status=report.cloud_init.value,
        cloud_init_errors=list(report.cloud_init_errors),
        error_message=report.error_message,
        guest=guest_to_wire(report.guest),
        cloud_init_failures=failures_to_wire(report.failures),
    )


def vm_report_from_wire(message: pb.VMStatusResponse) -> VmReport:
    """Words that a newer node may use and this version does not know count as not known."""
    stages = {stage.value: stage for stage in BootStage}
    statuses = {status.value: status for status in CloudInitStatus}
    return VmReport(
        vm_id=message.vm_id,
        name=message.name,
        state=_STATES_BACK.get(message.state, PowerState.UNKNOWN),
        stage=stages.get(message.stage, BootStage.DISK),
        started_at=time_from_wire(message.started_at),
        ssh_host=message.ssh_host,
        ssh_port=message.ssh_port,
        ip_addresses=tuple(message.ip_addresses),
        cloud_init=statuses.get(message.cloud_init_status, CloudInitStatus.UNKNOWN),
        cloud_init_errors=tuple(message.cloud_init_errors),
        error_message=message.error_message,
        guest=guest_from_wire(message.guest),
        failures=failures_from_wire(message.cloud_init_failures),
    )
