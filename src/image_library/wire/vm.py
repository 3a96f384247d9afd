"""VMs on the wire between clients and the control plane. Raw documents go in and never come out again."""

from __future__ import annotations

from dataclasses import replace

from image_library.domain.bridges import network_id_of
from image_library.domain.errors import InvalidRequest
from image_library.domain.job import Job
from image_library.domain.secret import Secret
from image_library.domain.vm import PowerState, Vm
from image_library.domain.vm_batch import Outcome
from image_library.domain.vm_wish import DiskWish, VmWish
from image_library.wire.guest_report import failures_to_wire, guest_to_wire
from image_library.wire.network import network_from_wire
from image_library.wire.provisioning import (
    datasource_from_wire,
    provisioning_from_wire,
    windows_from_wire,
)
from image_library.wire.times import time_to_wire
from image_library.wire.vm_disk import vm_snapshots_to_wire, vm_task_to_wire
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
_FIRMWARE = {word or "bios": wire for wire, word in _FIRMWARE_BACK.items()}


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


def template_to_wire(vm: Vm, job: Job) -> vm_pb.VirtualMachine:
    """The VM, and the job that makes a template of it; the VM itself stays one."""
    message = vm_to_wire(vm)
    if message.spec is not None and message.status is not None:
        message.spec.template = vm_pb.TemplateConfig(source_template_id=job.image_id)
        message.status.job_id = job.id
    return message


def created_to_wire(outcome: Outcome) -> vm_pb.CreatedVM:
    created = vm_pb.CreatedVM(name=outcome.name)
    if outcome.vm is not None:
        created.vm = vm_to_wire(outcome.vm)
    if outcome.failure is not None:
        created.error_code = outcome.failure.code
        created.error_message = outcome.failure.message
        created.error_remedy = outcome.failure.remedy
    return created


def _spec(vm: Vm) -> vm_pb.VmSpec:
    return vm_pb.VmSpec(
        cpu=vm_pb.CpuConfig(cores=vm.cores, model=vm.cpu_model),
        memory=vm_pb.MemoryConfig(size_mib=vm.memory_mib),
        disks=[vm_pb.DiskDevice(size_gib=vm.disk_gib, image=vm.image_id)],
        nics=_nics(vm),
        firmware=_FIRMWARE[vm.firmware],
        bios_only=vm.firmware == "bios",
        tpm=vm.tpm,
        driver_iso=vm.driver_image_id,
        devices=vm.devices,
    )


def _nics(vm: Vm) -> list[vm_pb.NetworkInterface]:
    macs = (vm.mac_address, *vm.more_mac_addresses)
    cards = zip(macs, (*vm.bridges, *("" for _ in macs)), strict=False)
    return [
        vm_pb.NetworkInterface(mac_address=mac, network_id=network_id_of(bridge)) for mac, bridge in cards
    ]


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
        profile=vm.profile,
        guest=guest_to_wire(report.guest),
        cloud_init_failures=failures_to_wire(report.failures),
        disk_task=vm_task_to_wire(vm),
        snapshots=vm_snapshots_to_wire(vm),
        disk_bytes=report.disk.size_bytes if report.disk else 0,
    )
    if vm.failure:
        status.error_message = vm.failure.message
        status.error_code = vm.failure.code
        status.error_remedy = vm.failure.remedy
    return status


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
        disks=_disks(spec, request.template_id or template.source_template_id),
        network=network_from_wire(spec),
        firmware=_FIRMWARE_BACK.get(spec.firmware, "") or ("bios" if spec.bios_only else ""),
        tpm=spec.tpm,
        cpu_model=spec.cpu.model if spec.cpu else "",
        devices=spec.devices,
        driver_iso=spec.driver_iso,
        provisioning=provisioning_from_wire(cloud_init),
        datasource=datasource_from_wire(cloud_init.datasource),
        start_on_create=request.start_on_create,
        node=request.node_id,
        force=request.force,
        profile=request.profile,
        parameters=dict(request.parameters),
        secret_parameters={name: Secret(text) for name, text in request.secret_parameters.items()},
        from_template=template.is_template,
        windows=windows_from_wire(method.value) if method and method.field == "sysprep" else None,
    )


def _disks(spec: vm_pb.VmSpec, template: str) -> tuple[DiskWish, ...]:
    """The disks; one that names no image is built on the template, where one is named.

    Raises:
        InvalidRequest: both are named.
    """
    disks = tuple(map(_disk, spec.disks))
    if not template:
        return disks
    if any(disk.image or disk.backing_file for disk in disks) or len(disks) > 1:
        raise InvalidRequest("Both a template and an image are named.", field="template_id")
    return (replace(disks[0], image=template) if disks else DiskWish(image=template),)


def _disk(disk: vm_pb.DiskDevice) -> DiskWish:
    return DiskWish(
        image=disk.image,
        backing_file=disk.backing_file,
        volume_id=disk.volume_id,
        size_gib=disk.size_gib,
    )
