"""VMs on the wire between clients and the control plane. Raw documents go in and never come out again."""

from __future__ import annotations

from image_library.domain.cloud_init import Provisioning
from image_library.domain.vm import PowerState, SeedDocuments, Vm
from image_library.domain.vm_wish import AddressWish, DiskWish, NicWish, VmWish
from image_library.wire.times import time_to_wire
from limiquantix.compute.v1 import vm_pb

STATES = {
    PowerState.UNKNOWN: vm_pb.VmStatus.PowerState.UNKNOWN,
    PowerState.RUNNING: vm_pb.VmStatus.PowerState.RUNNING,
    PowerState.STOPPED: vm_pb.VmStatus.PowerState.STOPPED,
    PowerState.PAUSED: vm_pb.VmStatus.PowerState.PAUSED,
    PowerState.CRASHED: vm_pb.VmStatus.PowerState.CRASHED,
    PowerState.PROVISIONING: vm_pb.VmStatus.PowerState.PROVISIONING,
    PowerState.LOST: vm_pb.VmStatus.PowerState.LOST,
}
_STATES_BACK = {wire: state for state, wire in STATES.items()}
# BIOS is the wire's zero and cannot be told from "not set".
_FIRMWARE_BACK = {
    vm_pb.FirmwareType.BIOS: "",
    vm_pb.FirmwareType.UEFI: "uefi",
    vm_pb.FirmwareType.UEFI_SECURE_BOOT: "uefi_secure_boot",
}
_FIRMWARE = {"bios": vm_pb.FirmwareType.BIOS, "uefi": vm_pb.FirmwareType.UEFI}


def vm_to_wire(vm: Vm) -> vm_pb.VirtualMachine:
    return vm_pb.VirtualMachine(
        id=vm.id,
        name=vm.name,
        project_id=vm.project_id,
        labels=dict(vm.labels),
        description=vm.description,
        spec=_spec(vm),
        status=_status(vm),
        created_at=time_to_wire(vm.created_at),
        updated_at=time_to_wire(vm.updated_at),
        is_managed=True,
    )


def _spec(vm: Vm) -> vm_pb.VmSpec:
    return vm_pb.VmSpec(
        cpu=vm_pb.CpuConfig(cores=vm.cores),
        memory=vm_pb.MemoryConfig(size_mib=vm.memory_mib),
        disks=[vm_pb.DiskDevice(size_gib=vm.disk_gib, image=vm.image_id)],
        nics=[vm_pb.NetworkInterface(mac_address=vm.mac_address)],
        firmware=_FIRMWARE[vm.firmware],
    )


def _status(vm: Vm) -> vm_pb.VmStatus:
    report = vm.report
    status = vm_pb.VmStatus(
        state=STATES[report.state],
        node_id=vm.node_id,
        ip_addresses=list(report.ip_addresses),
        error_message=report.error_message,
        state_changed_at=time_to_wire(vm.state_changed_at),
        stage=report.stage.value,
        ssh_host=report.ssh_host,
        ssh_port=report.ssh_port,
        ssh_user=vm.ssh_user,
        cloud_init_status=report.cloud_init.value,
        cloud_init_errors=list(report.cloud_init_errors),
        image_id=vm.image_id,
        image_digest=vm.image_digest,
        image_name=vm.image_name,
        job_id=vm.job_id,
        warnings=list(vm.warnings),
    )
    if vm.failure:
        status.error_message = vm.failure.message
        status.error_code = vm.failure.code
        status.error_remedy = vm.failure.remedy
    return status


def preview_to_wire(seed: SeedDocuments) -> vm_pb.ProvisioningPreview:
    return vm_pb.ProvisioningPreview(
        user_data=seed.user_data,
        meta_data=seed.meta_data,
        network_config=seed.network_config,
        vendor_data=seed.vendor_data,
    )


def states_from_wire(numbers: list[vm_pb.VmStatus.PowerState]) -> frozenset[PowerState] | None:
    """The states that a filter names; None where it names only states that no VM of ours is ever in.

    Zero cannot be told from "not set" and filters nothing.
    """
    named = [number for number in numbers if int(number) != 0]
    known = frozenset(_STATES_BACK[number] for number in named if number in _STATES_BACK)
    return None if named and not known else known


def wish_from_wire(request: vm_pb.CreateVMRequest) -> VmWish:
    spec = request.spec or vm_pb.VmSpec()
    method = spec.provisioning.method if spec.provisioning else None
    cloud_init = method.value if method and method.field == "cloud_init" else vm_pb.CloudInitConfig()
    template = spec.template or vm_pb.TemplateConfig()
    return VmWish(
        name=request.name,
        project_id=request.project_id or "default",
        description=request.description,
        labels=dict(request.labels),
        cores=spec.cpu.cores if spec.cpu else 0,
        memory_mib=spec.memory.size_mib if spec.memory else 0,
        disks=tuple(map(_disk, spec.disks)),
        nics=tuple(map(_nic, spec.nics)),
        firmware=_FIRMWARE_BACK.get(spec.firmware, ""),
        provisioning=_provisioning(cloud_init),
        start_on_create=request.start_on_create,
        node=request.node_id,
        from_template=bool(request.template_id or template.source_template_id or template.is_template),
        sysprep=method is not None and method.field == "sysprep",
    )


def _disk(disk: vm_pb.DiskDevice) -> DiskWish:
    return DiskWish(
        image=disk.image,
        backing_file=disk.backing_file,
        volume_id=disk.volume_id,
        size_gib=disk.size_gib,
    )


def _nic(nic: vm_pb.NetworkInterface) -> NicWish:
    addresses = tuple(
        AddressWish(address=ip.address, gateway=ip.gateway, dns_servers=tuple(ip.dns_servers))
        for ip in nic.ip_configs
        # Old clients send an empty one for DHCP.
        if ip.address or ip.gateway or ip.dns_servers
    )
    return NicWish(mac_address=nic.mac_address, addresses=addresses)


def _provisioning(asked: vm_pb.CloudInitConfig) -> Provisioning:
    return Provisioning(
        user_data=asked.user_data,
        meta_data=asked.meta_data,
        network_config=asked.network_config,
        vendor_data=asked.vendor_data,
        hostname=asked.hostname,
        default_user=asked.default_user,
        ssh_authorized_keys=tuple(asked.ssh_authorized_keys),
        packages=tuple(asked.packages),
        run_commands=tuple(asked.run_commands),
    )
