"""qemu's argument list, made from a machine by a pure function. Golden files in the tests show it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Firmware, Machine
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.tpm import DEVICES

GUEST_AGENT_PORT = "org.qemu.guest_agent.0"

# An escape from the guest into this process ends here: it may start nothing and gain no rights.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

# The devices that a cloud image never looks for are left out; each costs boot time.
_MACHINES = {
    ("x86_64", Accelerator.KVM): "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off",
    ("x86_64", Accelerator.TCG): "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off",
    ("aarch64", Accelerator.KVM): "virt,gic-version=host",
    ("aarch64", Accelerator.TCG): "virt,gic-version=max",
}
_PROCESSORS = {
    ("x86_64", Accelerator.KVM): "host",
    # Enterprise Linux 9 needs x86-64-v2 and 10 needs v3, so all that can be emulated is shown. A Debian boot
    # takes 6 % more processor time than on the oldest model that would do; five-level paging would add more.
    ("x86_64", Accelerator.TCG): "max,la57=off",
    ("aarch64", Accelerator.KVM): "host",
    # The architected pointer authentication algorithm takes most of a boot's time when it is emulated.
    ("aarch64", Accelerator.TCG): "max,pauth-impdef=on",
}


# A screen that every firmware and system can draw on without a driver of its own, and a pointer that is where
# one points. A PC has a keyboard anyway. Not by USB, which held emulated guests up on busy hosts.
DISPLAYS = {
    "x86_64": ("VGA", "virtio-tablet-pci"),
    "aarch64": ("ramfb", "virtio-keyboard-pci", "virtio-tablet-pci"),
}


@dataclass(frozen=True, kw_only=True)
class _Guarded:
    machine: str
    options: tuple[str, ...]


# Only code in system management mode may write the variables, else the guest could let itself in.
# Source: OvmfPkg/README, "SMM support". There is no such mode on Arm.
_SECURE = {
    "x86_64": _Guarded(
        machine=",smm=on",
        options=(
            *("-global", "driver=cfi.pflash01,property=secure,value=on"),
            *("-global", "ICH9-LPC.disable_s3=1"),
        ),
    )
}
ARCHITECTURES = frozenset(architecture for architecture, _ in _MACHINES)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a machine is started this time. ``folder`` is absolute, and qemu's working directory."""

    machine: Machine
    folder: str
    accelerator: Accelerator
    ssh_port: int
    # The listening socket of the monitor, which qemu inherits.
    monitor: int
    uefi: UefiFiles | None = None
    # The connection to its TPM, which qemu inherits.
    tpm: int | None = None
    # No way out of the guest's network but the forwarded SSH port.
    isolated: bool = False


def needs_uefi(machine: Machine) -> bool:
    """Arm's virtual machine has no BIOS."""
    return machine.firmware is not Firmware.BIOS or machine.architecture != "x86_64"


def arguments(launch: Launch) -> tuple[str, ...]:
    """What follows the program's name."""
    return (
        *_machine(launch),
        *_blocks(launch),
        *_devices(launch),
        *_channels(launch),
        *_display(launch),
        *_tpm(launch),
        *("-pidfile", places.PID),
        # A guest that switches itself off leaves its process waiting, so that this can be told from a crash.
        "-no-shutdown",
        *("-sandbox", SANDBOX),
    )


def _machine(launch: Launch) -> tuple[str, ...]:
    machine = launch.machine
    kind = (machine.architecture, launch.accelerator)
    flash = ",pflash0=code,pflash1=variables" if launch.uefi else ""
    guarded = _SECURE.get(machine.architecture) if is_secure(machine) else None
    # A smaller translation cache than qemu's 1 GiB: it counts as the host's memory.
    accelerator = "kvm" if launch.accelerator is Accelerator.KVM else "tcg,tb-size=512"
    return (
        *("-name", f"guest={machine.vm_id}"),
        *_uuid(machine.vm_id),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", _MACHINES[kind] + flash + (guarded.machine if guarded else "")),
        *(guarded.options if guarded else ()),
        *("-accel", accelerator),
        *("-cpu", _PROCESSORS[kind]),
        *("-smp", f"cpus={machine.cores}"),
        *("-m", f"size={machine.memory_mib}M"),
    )


def is_secure(machine: Machine) -> bool:
    return machine.firmware is Firmware.UEFI_SECURE_BOOT


def _uuid(vm_id: str) -> tuple[str, ...]:
    """The guest sees the VM's id as its machine's, where it has that form."""
    try:
        return ("-uuid", str(UUID(vm_id)))
    except ValueError:
        return ()


def _blocks(launch: Launch) -> tuple[str, ...]:
    """Every file with its format and the whole chain: nothing in a guest-written header is believed."""
    folder, machine = launch.folder, launch.machine
    disk: dict[str, Any] = {
        "node-name": "disk",
        "driver": "qcow2",
        "discard": "unmap",
        "file": {**_file(f"{folder}/{machine.disk}"), "discard": "unmap"},
        "backing": None if machine.flat else _base(machine.backing),
    }
    return (*_block(disk), *_block(_raw("seed", f"{folder}/{places.SEED}")), *_flash(launch))


def _base(backing: Backing) -> dict[str, Any]:
    base: dict[str, Any] = {
        "driver": backing.format.value,
        "read-only": True,
        "file": _file(backing.path, read_only=True),
    }
    if backing.format is ImageFormat.QCOW2:
        base["backing"] = None
    return base


def _flash(launch: Launch) -> tuple[str, ...]:
    if launch.uefi is None:
        return ()
    code = {**_raw("code", launch.uefi.code), "driver": launch.uefi.code_format}
    variables: dict[str, Any] = {
        "node-name": "variables",
        "driver": launch.uefi.variables_format,
        "file": _file(f"{launch.folder}/{places.UEFI_VARIABLES}"),
    }
    return (*_block(code), *_block(variables))


def _raw(name: str, path: str) -> dict[str, Any]:
    return {"node-name": name, "driver": "raw", "read-only": True, "file": _file(path, read_only=True)}


def _file(path: str, *, read_only: bool = False) -> dict[str, Any]:
    file: dict[str, Any] = {"driver": "file", "filename": path}
    return {**file, "read-only": True} if read_only else file


def _block(node: dict[str, Any]) -> tuple[str, ...]:
    # As JSON a path may have commas and anything else.
    return ("-blockdev", json.dumps(node))


def _devices(launch: Launch) -> tuple[str, ...]:
    forward = f"hostfwd=tcp:127.0.0.1:{launch.ssh_port}-:22"
    isolation = ",restrict=on" if launch.isolated else ""
    return (
        *("-device", "virtio-blk-pci,drive=disk,bootindex=1"),
        # As a virtio disk: not every cloud kernel has a driver for a CD-ROM on this machine.
        *("-device", "virtio-blk-pci,drive=seed"),
        *("-netdev", f"user,id=net,{forward}{isolation}"),
        *("-device", f"virtio-net-pci,netdev=net,mac={launch.machine.mac_address},romfile="),
        *_further_cards(launch),
        *("-object", "rng-builtin,id=rng"),
        *("-device", "virtio-rng-pci,rng=rng"),
    )


def _further_cards(launch: Launch) -> Iterator[str]:
    """Each on a user network of its own."""
    isolation = ",restrict=on" if launch.isolated else ""
    for number, mac in enumerate(launch.machine.more_mac_addresses, 1):
        yield from ("-netdev", f"user,id=net{number},net=10.0.{number + 2}.0/24{isolation}")
        yield from ("-device", f"virtio-net-pci,netdev=net{number},mac={mac},romfile=")


def _channels(launch: Launch) -> tuple[str, ...]:
    """Paths relative to the VM's folder, since a socket's may not be long."""
    return (
        # What the guest writes is in the log whether or not anybody is connected.
        *(
            "-chardev",
            f"socket,id=console,path={places.SERIAL_SOCKET},server=on,wait=off,"
            f"logfile={places.SERIAL},logappend=on",
        ),
        *("-serial", "chardev:console"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=agent,path={places.AGENT},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=agent,name={GUEST_AGENT_PORT}"),
        *("-chardev", f"socket,id=monitor,fd={launch.monitor},server=on,wait=off"),
        *("-mon", "chardev=monitor,mode=control"),
    )


def _display(launch: Launch) -> tuple[str, ...]:
    """Its server listens nowhere: it is handed each connection. Until it has a password it lets nobody in."""
    devices = DISPLAYS[launch.machine.architecture]
    return (*(word for device in devices for word in ("-device", device)), "-vnc", "none,password=on")


def _tpm(launch: Launch) -> tuple[str, ...]:
    if launch.tpm is None:
        return ()
    return (
        *("-chardev", f"socket,id=tpm,fd={launch.tpm}"),
        *("-tpmdev", "emulator,id=tpm,chardev=tpm"),
        *("-device", f"{DEVICES[launch.machine.architecture]},tpmdev=tpm"),
    )
