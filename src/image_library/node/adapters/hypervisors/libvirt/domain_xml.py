"""A domain's XML, made of a machine as a tree, emitted, and read back before anybody else sees it.

Format: https://libvirt.org/formatdomain.html. It is the same machine as ``qemu.arguments`` describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import NAMESPACE_OID, UUID, uuid5
from xml.etree import ElementTree as ET

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from image_library.domain.errors import HypervisorFailed
from image_library.domain.machine import Accelerator, Machine
from image_library.domain.secret import Secret
from image_library.node.adapters.hypervisors.libvirt.devices_xml import (
    bridged_cards,
    discs,
    door,
    system_disk,
    user_cards,
)
from image_library.node.adapters.hypervisors.libvirt.nodes import node as _node
from image_library.node.adapters.hypervisors.libvirt.processor_xml import clock, hyperv, processor
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.arguments import GUEST_AGENT_PORT, is_secure
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.tpm import DEVICES

OURS = "urn:limiquantix:vm"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
_TYPES = {Accelerator.KVM: "kvm", Accelerator.TCG: "qemu"}

NOTHING_OPENS = Secret("closed")


@dataclass(frozen=True, kw_only=True)
class Screen:
    video: str
    inputs: tuple[str, ...]


# As ``qemu.arguments.DISPLAYS``.
SCREENS = {
    "x86_64": Screen(video="vga", inputs=("tablet",)),
    "aarch64": Screen(video="ramfb", inputs=("keyboard", "tablet")),
}

ET.register_namespace("qemu", QEMU)
ET.register_namespace("limiquantix", OURS)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A machine as a domain. ``folder`` is absolute."""

    machine: Machine
    folder: str
    # The path of its qemu.
    emulator: str
    accelerator: Accelerator
    ssh_port: int
    # User and group that its qemu runs as, who own the VM's files; None: libvirt's own affair.
    owner: tuple[int, int] | None = None
    uefi: UefiFiles | None = None
    # The machine's, where it says where the guest finds its documents.
    serial: str = field(default="", repr=False)
    isolated: bool = False


def uuid_of(vm_id: str) -> str:
    """The domain's UUID: the VM's id where it is one."""
    try:
        return str(UUID(vm_id))
    except ValueError:
        return str(uuid5(NAMESPACE_OID, vm_id))


def graphics(password: Secret, *, valid_to: str) -> ET.Element:
    """A display whose server listens nowhere; libvirt is asked for each connection. The time is UTC's."""
    return _node(
        "graphics",
        _node("listen", type_="none"),
        type_="vnc",
        passwd=password.reveal(),
        passwdValidTo=valid_to,
    )


def domain_xml(definition: Definition) -> str:
    """Raises: HypervisorFailed: something in it cannot be said in XML."""
    root = _domain(definition)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode") + "\n"
    try:
        same = ET.canonicalize(ET.tostring(fromstring(text))) == ET.canonicalize(ET.tostring(root))
    except (ET.ParseError, DefusedXmlException, ValueError):
        same = False
    if not same:
        raise HypervisorFailed("The VM has a path that libvirt's XML cannot hold.")
    return text


def _domain(d: Definition) -> ET.Element:
    machine = d.machine
    words = (*door(machine, d.folder), *user_cards(machine, ssh_port=d.ssh_port, isolated=d.isolated))
    return _node(
        "domain",
        _node("name", machine.vm_id),
        _node("uuid", uuid_of(machine.vm_id)),
        _node("title", machine.name),
        _node("metadata", _node(f"{{{OURS}}}vm", folder=d.folder)),
        _node("memory", str(machine.memory_mib), unit="MiB"),
        _node("vcpu", str(machine.cores)),
        *_sysinfo(d.serial),
        _node("os", *_boot(d)),
        _node("features", *_features(d)),
        processor(machine, d.accelerator),
        clock(machine, d.accelerator),
        # A guest that switches itself off is told from one that ended otherwise by libvirt's reason.
        _node("on_poweroff", "destroy"),
        _node("on_reboot", "restart"),
        _node("on_crash", "destroy"),
        _node("devices", *_devices(d)),
        *_owner(d),
        _node(f"{{{QEMU}}}commandline", *(_node(f"{{{QEMU}}}arg", value=word) for word in words)),
        type_=_TYPES[d.accelerator],
    )


def _boot(d: Definition) -> Iterator[ET.Element]:
    yield _node("type", "hvm", arch=d.machine.architecture, machine=_MACHINES[d.machine.architecture])
    if d.uefi is not None:
        secure = "yes" if is_secure(d.machine) and d.machine.architecture == "x86_64" else "no"
        yield _node("loader", d.uefi.code, readonly="yes", secure=secure, type_="pflash")
        # It is there already: each VM has a copy of its own.
        yield _node("nvram", f"{d.folder}/{places.UEFI_VARIABLES}")
    if d.serial:
        yield _node("smbios", mode="sysinfo")


def _sysinfo(serial: str) -> Iterator[ET.Element]:
    if serial:
        yield _node("sysinfo", _node("system", _node("entry", serial, name="serial")), type_="smbios")


def _features(d: Definition) -> Iterator[ET.Element]:
    yield _node("acpi")
    if d.machine.architecture == "x86_64":
        yield _node("apic")
        if is_secure(d.machine):
            yield _node("smm", state="on")
        yield _node("vmport", state="off")
    yield from hyperv(d.machine, d.accelerator)


def _devices(d: Definition) -> Iterator[ET.Element]:
    machine = d.machine
    yield _node("emulator", d.emulator)
    yield system_disk(machine, d.folder)
    yield from discs(machine, d.folder)
    yield from bridged_cards(machine)
    yield _node("controller", type_="usb", model="none")
    yield _node(
        "serial",
        _node("source", path=f"{d.folder}/{places.SERIAL}", append="on"),
        _node("target", port=0),
        type_="file",
    )
    yield _node("channel", _node("target", type_="virtio", name=GUEST_AGENT_PORT), type_="unix")
    if machine.tpm:
        model = DEVICES[machine.architecture].removesuffix("-device")
        yield _node("tpm", _node("backend", type_="emulator", version="2.0"), model=model)
    yield _node("rng", _node("backend", model="builtin"), model="virtio")
    yield _node("memballoon", model="none")
    screen = SCREENS[machine.architecture]
    for kind in screen.inputs:
        yield _node("input", type_=kind, bus="virtio")
    yield _node("video", _node("model", type_=screen.video))
    # Nobody gets in by this one: its time was over before it began.
    yield graphics(NOTHING_OPENS, valid_to="2000-01-01T00:00:00")


def _owner(d: Definition) -> Iterator[ET.Element]:
    """qemu runs as who owns the files: libvirt need not give them to somebody else, nor take them back."""
    if d.owner is not None:
        user, group = d.owner
        label = _node("label", f"+{user}:+{group}")
        yield _node("seclabel", label, type_="static", model="dac", relabel="no")
