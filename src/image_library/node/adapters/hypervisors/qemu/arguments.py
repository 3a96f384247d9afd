"""qemu's argument list, made from a machine by a pure function. Golden files in the tests show it whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Firmware, Machine
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.devices import cards, disks, needs_sata
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.processors import processor
from image_library.node.adapters.hypervisors.qemu.tpm import DEVICES

GUEST_AGENT_PORT = "org.qemu.guest_agent.0"

# An escape from the guest into this process ends here: it may start nothing and gain no rights.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

# What the monitor calls the VM's disk.
DISK = "disk"
# The devices that a cloud image never looks for are left out; each costs boot time.
_MACHINES = {
    ("x86_64", Accelerator.KVM): "q35,usb=off,vmport=off,smbus=off,sata={sata},hpet=off",
    ("x86_64", Accelerator.TCG): "q35,usb=off,vmport=off,smbus=off,sata={sata},hpet=off",
    ("aarch64", Accelerator.KVM): "virt,gic-version=host",
    ("aarch64", Accelerator.TCG): "virt,gic-version=max",
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
    # The tap of each card on a bridge, by the card's number, which qemu inherits.
    taps: Mapping[int, int] = field(default_factory=dict[int, int])
    # The machine's, where it says where the guest finds its documents.
    serial: str = field(default="", repr=False)
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
    flash = ",pflash0=code,pflash1=variables" if launch.uefi else ""
    guarded = _SECURE.get(machine.architecture) if is_secure(machine) else None
    # A smaller translation cache than qemu's 1 GiB: it counts as the host's memory.
    accelerator = "kvm" if launch.accelerator is Accelerator.KVM else "tcg,tb-size=512"
    return (
        *("-name", f"guest={machine.vm_id}"),
        *_uuid(machine.vm_id),
        *_smbios(launch.serial),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", _kind(launch) + flash + (guarded.machine if guarded else "")),
        *(guarded.options if guarded else ()),
        *("-accel", accelerator),
        *("-cpu", processor(machine, launch.accelerator)),
        *(("-rtc", "base=localtime,driftfix=slew") if machine.hardware.local_time else ()),
        *("-smp", f"cpus={machine.cores}"),
        *("-m", f"size={machine.memory_mib}M"),
    )


def _kind(launch: Launch) -> str:
    machine = launch.machine
    sata = "on" if needs_sata(machine) else "off"
    return _MACHINES[machine.architecture, launch.accelerator].format(sata=sata)


def is_secure(machine: Machine) -> bool:
    return machine.firmware is Firmware.UEFI_SECURE_BOOT


def _uuid(vm_id: str) -> tuple[str, ...]:
    """The guest sees the VM's id as its machine's, where it has that form."""
    try:
        return ("-uuid", str(UUID(vm_id)))
    except ValueError:
        return ()


def _smbios(serial: str) -> tuple[str, ...]:
    """Of the system itself (type 1), which guests see in every firmware. A comma is said twice."""
    return ("-smbios", f"type=1,serial={serial.replace(',', ',,')}") if serial else ()


def _blocks(launch: Launch) -> tuple[str, ...]:
    """Every file with its format and the whole chain: nothing in a guest-written header is believed."""
    folder, machine = launch.folder, launch.machine
    disk: dict[str, Any] = {
        "node-name": DISK,
        "driver": "qcow2",
        "discard": "unmap",
        "file": {**_file(f"{folder}/{machine.disk}"), "discard": "unmap"},
        "backing": None if machine.flat else _base(machine.backing),
    }
    seed = () if machine.seed_served else _block(_raw("seed", f"{folder}/{places.SEED}"))
    drivers = _block(_raw("drivers", machine.drivers.path)) if machine.drivers else ()
    return (*_block(disk), *seed, *drivers, *_flash(launch))


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
    return (
        *disks(launch.machine),
        *cards(launch.machine, ssh_port=launch.ssh_port, isolated=launch.isolated, taps=launch.taps),
        *("-object", "rng-builtin,id=rng"),
        *("-device", "virtio-rng-pci,rng=rng"),
    )


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
        *_door(launch.machine),
    )


def _display(launch: Launch) -> tuple[str, ...]:
    """Its server listens nowhere: it is handed each connection. Until it has a password it lets nobody in."""
    devices = DISPLAYS[launch.machine.architecture]
    return (*(word for device in devices for word in ("-device", device)), "-vnc", "none,password=on")


def _door(machine: Machine) -> tuple[str, ...]:
    """One stream for all connections of the guest, since a program for each of them may not be started."""
    return ("-chardev", f"socket,id=door,path={places.DOOR},server=on,wait=off") if machine.door else ()


def _tpm(launch: Launch) -> tuple[str, ...]:
    if launch.tpm is None:
        return ()
    return (
        *("-chardev", f"socket,id=tpm,fd={launch.tpm}"),
        *("-tpmdev", "emulator,id=tpm,chardev=tpm"),
        *("-device", f"{DEVICES[launch.machine.architecture]},tpmdev=tpm"),
    )
