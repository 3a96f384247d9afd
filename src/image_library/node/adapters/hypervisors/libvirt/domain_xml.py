"""A domain's XML, made of a machine as a tree, emitted, and read back before anybody else sees it.

Format: https://libvirt.org/formatdomain.html. It is the same machine as ``qemu.arguments`` describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid5
from xml.etree import ElementTree as ET

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from image_library.domain.errors import HypervisorFailed
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Accelerator, Backing, Machine
from image_library.domain.secret import Secret
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.arguments import GUEST_AGENT_PORT, is_secure
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.tpm import DEVICES

OURS = "urn:limiquantix:vm"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
# As in ``qemu.arguments``: what would take time to emulate and is no use is not shown to the guest.
_HIDDEN_FEATURES = {"x86_64": ("la57",), "aarch64": ()}
_TYPES = {Accelerator.KVM: "kvm", Accelerator.TCG: "qemu"}
# The first slot of the root bus that libvirt gives to nobody; one for each card.
_FIRST_SLOT = 0x10

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


def _node(tag: str, *children: ET.Element | str, **attributes: str | int) -> ET.Element:
    """Attributes that are Python's words end in "_"."""
    made = ET.Element(tag, {name.rstrip("_"): str(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made


def _domain(d: Definition) -> ET.Element:
    machine = d.machine
    return _node(
        "domain",
        _node("name", machine.vm_id),
        _node("uuid", uuid_of(machine.vm_id)),
        _node("title", machine.name),
        _node("metadata", _node(f"{{{OURS}}}vm", folder=d.folder)),
        _node("memory", str(machine.memory_mib), unit="MiB"),
        _node("vcpu", str(machine.cores)),
        _node("os", *_boot(d)),
        _node("features", *_features(d)),
        _processor(d),
        _node("clock", offset="utc"),
        # A guest that switches itself off is told from one that ended otherwise by libvirt's reason.
        _node("on_poweroff", "destroy"),
        _node("on_reboot", "restart"),
        _node("on_crash", "destroy"),
        _node("devices", *_devices(d)),
        *_owner(d),
        _node(f"{{{QEMU}}}commandline", *(_node(f"{{{QEMU}}}arg", value=word) for word in _cards(d))),
        type_=_TYPES[d.accelerator],
    )


def _boot(d: Definition) -> Iterator[ET.Element]:
    yield _node("type", "hvm", arch=d.machine.architecture, machine=_MACHINES[d.machine.architecture])
    if d.uefi is not None:
        secure = "yes" if is_secure(d.machine) and d.machine.architecture == "x86_64" else "no"
        yield _node("loader", d.uefi.code, readonly="yes", secure=secure, type_="pflash")
        # It is there already: each VM has a copy of its own.
        yield _node("nvram", f"{d.folder}/{places.UEFI_VARIABLES}")


def _features(d: Definition) -> Iterator[ET.Element]:
    yield _node("acpi")
    if d.machine.architecture == "x86_64":
        yield _node("apic")
        if is_secure(d.machine):
            yield _node("smm", state="on")
        yield _node("vmport", state="off")


def _processor(d: Definition) -> ET.Element:
    if d.accelerator is Accelerator.KVM:
        return _node("cpu", mode="host-passthrough")
    hidden = (_node("feature", policy="disable", name=f) for f in _HIDDEN_FEATURES[d.machine.architecture])
    return _node("cpu", *hidden, mode="maximum")


def _devices(d: Definition) -> Iterator[ET.Element]:
    machine = d.machine
    yield _node("emulator", d.emulator)
    yield _disk(d)
    yield _seed(d)
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


def _disk(d: Definition) -> ET.Element:
    return _node(
        "disk",
        _node("driver", name="qemu", type_="qcow2", discard="unmap"),
        _node("source", file=f"{d.folder}/{d.machine.disk}"),
        # The whole chain, so that nothing in a guest-written header is believed.
        _node("backingStore") if d.machine.flat else _base(d.machine.backing),
        _node("target", dev="vda", bus="virtio"),
        _node("boot", order=1),
        type_="file",
        device="disk",
    )


def _base(backing: Backing) -> ET.Element:
    last = (_node("backingStore"),) if backing.format is ImageFormat.QCOW2 else ()
    return _node(
        "backingStore",
        _node("format", type_=backing.format.value),
        _node("source", file=backing.path),
        *last,
        type_="file",
    )


def _seed(d: Definition) -> ET.Element:
    # As a virtio disk: not every cloud kernel has a driver for a CD-ROM on this machine.
    return _node(
        "disk",
        _node("driver", name="qemu", type_="raw"),
        _node("source", file=f"{d.folder}/{places.SEED}"),
        _node("target", dev="vdb", bus="virtio"),
        _node("readonly"),
        type_="file",
        device="disk",
    )


def _owner(d: Definition) -> Iterator[ET.Element]:
    """qemu runs as who owns the files: libvirt need not give them to somebody else, nor take them back."""
    if d.owner is not None:
        user, group = d.owner
        label = _node("label", f"+{user}:+{group}")
        yield _node("seclabel", label, type_="static", model="dac", relabel="no")


def _cards(d: Definition) -> Iterator[str]:
    """libvirt's own user networks forward ports only with passt, which few machines have yet."""
    isolation = ",restrict=on" if d.isolated else ""
    for number, mac in enumerate((d.machine.mac_address, *d.machine.more_mac_addresses)):
        name = f"net{number or ''}"
        ways = f"net=10.0.{number + 2}.0/24" if number else f"hostfwd=tcp:127.0.0.1:{d.ssh_port}-:22"
        yield from ("-netdev", f"user,id={name},{ways}{isolation}")
        slot = f"bus=pcie.0,addr={_FIRST_SLOT + number:#x}"
        yield from ("-device", f"virtio-net-pci,netdev={name},mac={mac},romfile=,{slot}")
