"""VMs as rows of a table and as facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from image_library.cli.boot import STAGES, failure_lines
from image_library.cli.sizes import shown
from image_library.cli.words import ago, at, state
from limiquantix.compute.v1.guest_pb import GuestReport
from limiquantix.compute.v1.vm_pb import FirmwareType, VirtualMachine, VmSpec, VmStatus


def state_of(vm: VirtualMachine) -> str:
    return state(vm.status.state) if vm.status else "unknown"


def vm_rows(vms: Iterable[VirtualMachine], node_names: Mapping[str, str]) -> list[Sequence[str]]:
    """One with warnings is marked "(!)" at its state; ``vm_facts`` tells them."""
    rows: list[Sequence[str]] = []
    for vm in vms:
        status = vm.status or VmStatus()
        image = status.image_name or status.image_id
        created = ago(vm.created_at)
        node = node_names.get(status.node_id, status.node_id)
        marked = f"{state_of(vm)} (!)" if status.warnings else state_of(vm)
        rows.append((vm.name, marked, _stage(status), image, _login(status), node, created))
    return rows


def _stage(status: VmStatus) -> str:
    if status.error_message:
        return "failed"
    if status.cloud_init_status == "error":
        return "cloud-init errors"
    return STAGES.get(status.stage, status.stage)


def _firmware(spec: VmSpec) -> str:
    words = {FirmwareType.UEFI: "UEFI", FirmwareType.UEFI_SECURE_BOOT: "UEFI with Secure Boot"}
    return words.get(spec.firmware, "BIOS") + (", TPM 2.0" if spec.tpm else "")


def _networks(spec: VmSpec) -> str:
    """Of each card, where one of them is on a bridge."""
    named = [nic.network_id or "user" for nic in spec.nics]
    return " ".join(named) if set(named) != {"user"} else ""


def _login(status: VmStatus) -> str:
    return f"{status.ssh_user}@{status.ssh_host}:{status.ssh_port}" if status.ssh_port else ""


def vm_facts(vm: VirtualMachine, node_names: Mapping[str, str]) -> list[tuple[str, str]]:
    status = vm.status or VmStatus()
    spec = vm.spec
    memory = spec.memory.size_mib if spec and spec.memory else 0
    disk = spec.disks[0].size_gib if spec and spec.disks else 0
    facts = [
        ("name", vm.name),
        ("id", vm.id),
        ("state", state_of(vm)),
        ("since", at(status.state_changed_at)),
        ("stage", _stage(status)),
        ("error", " ".join(part for part in (status.error_message, status.error_remedy) if part)),
        ("waits for job", status.job_id),
        (
            "image" if status.image_id else "made from",
            " ".join(part for part in (status.image_name, status.image_digest) if part),
        ),
        ("cpus", " ".join((str(spec.cpu.cores), spec.cpu.model)).strip() if spec and spec.cpu else ""),
        ("memory", shown(memory * 1024**2) if memory else ""),
        ("disk", f"{disk} GiB" if disk else ""),
        ("firmware", _firmware(spec) if spec else ""),
        ("devices", spec.devices if spec else ""),
        ("drivers", spec.driver_iso if spec else ""),
        ("networks", _networks(spec) if spec else ""),
        ("node", node_names.get(status.node_id, status.node_id)),
        ("addresses", " ".join(status.ip_addresses)),
        ("cloud-init", status.cloud_init_status),
        ("created", at(vm.created_at)),
    ]
    warnings = [("warning", warning) for warning in status.warnings]
    errors = [("cloud-init error", error) for error in status.cloud_init_errors]
    said = [("", line) for line in failure_lines(status)]
    return facts + warnings + errors + said + _guest_facts(status.guest)


def _guest_facts(guest: GuestReport | None) -> list[tuple[str, str]]:
    if guest is None:
        return []
    keys = [(f"host key {key.algorithm}", key.fingerprint) for key in guest.host_keys]
    return [("reported as", guest.hostname), ("reported at", at(guest.reported_at)), *keys]
