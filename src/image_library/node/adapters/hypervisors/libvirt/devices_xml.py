"""A domain's disks, discs and network cards: as ``qemu.devices`` has them."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from image_library.domain.guest_hardware import Card, Disc, Disk
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Machine
from image_library.node.adapters.hypervisors.libvirt.nodes import node
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.devices import DOOR

# The first slot of the root bus that libvirt gives to nobody; one for each card.
_FIRST_SLOT = 0x10
# Bus, and what its devices' names begin with.
_DISK_BUSES = {Disk.VIRTIO: ("virtio", "vd"), Disk.SATA: ("sata", "sd")}
_DISC_BUSES = {Disc.DISK: ("virtio", "vd"), Disc.SATA_CDROM: ("sata", "sd")}
_KINDS = {Disc.DISK: "disk", Disc.SATA_CDROM: "cdrom"}
_MODELS = {Card.VIRTIO: "virtio", Card.INTEL: "e1000e"}


def system_disk(machine: Machine, folder: str) -> ET.Element:
    bus, names = _DISK_BUSES[machine.hardware.disk]
    return node(
        "disk",
        node("driver", name="qemu", type_="qcow2", discard="unmap"),
        node("source", file=f"{folder}/{machine.disk}"),
        # The whole chain, so that nothing in a guest-written header is believed.
        node("backingStore") if machine.flat else _base(machine.backing),
        node("target", dev=f"{names}a", bus=bus),
        node("boot", order=1),
        type_="file",
        device="disk",
    )


def _base(backing: Backing) -> ET.Element:
    last = (node("backingStore"),) if backing.format is ImageFormat.QCOW2 else ()
    return node(
        "backingStore",
        node("format", type_=backing.format.value),
        node("source", file=backing.path),
        *last,
        type_="file",
    )


def discs(machine: Machine, folder: str) -> Iterator[ET.Element]:
    """The seed, and the one with drivers; both may only be read."""
    if not machine.seed_served:
        yield _disc(machine, f"{folder}/{places.SEED}", "b")
    if machine.drivers is not None:
        yield _disc(machine, machine.drivers.path, "c")


def _disc(machine: Machine, path: str, letter: str) -> ET.Element:
    bus, names = _DISC_BUSES[machine.hardware.disc]
    return node(
        "disk",
        node("driver", name="qemu", type_="raw"),
        node("source", file=path),
        node("target", dev=f"{names}{letter}", bus=bus),
        node("readonly"),
        type_="file",
        device=_KINDS[machine.hardware.disc],
    )


def bridged_cards(machine: Machine) -> Iterator[ET.Element]:
    """libvirt makes the tap, and takes it away when the domain ends."""
    for card in machine.cards:
        if card.bridge:
            yield node(
                "interface",
                node("mac", address=card.mac_address),
                node("source", bridge=card.bridge),
                node("model", type_=_MODELS[machine.hardware.card]),
                node("rom", enabled="no"),
                type_="bridge",
            )


def user_cards(machine: Machine, *, ssh_port: int, isolated: bool) -> Iterator[str]:
    """Words for qemu: libvirt's own user networks forward ports only with passt, which is still rare."""
    isolation = ",restrict=on" if isolated else ""
    for card in machine.cards:
        if card.bridge:
            continue
        name = f"net{card.number or ''}"
        own = f",net=10.0.{card.number + 2}.0/24" if card.number else ""
        ssh = f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22" if card.takes_ssh else ""
        door = "" if card.number or not machine.door else DOOR
        yield from ("-netdev", f"user,id={name}{own}{ssh}{door}{isolation}")
        slot = f"bus=pcie.0,addr={_FIRST_SLOT + card.number:#x}"
        yield from (
            "-device",
            f"{machine.hardware.card},netdev={name},mac={card.mac_address},romfile=,{slot}",
        )


def door(machine: Machine, folder: str) -> Iterator[str]:
    """libvirt has such a channel too, but on a network of its own that no card is in."""
    if machine.door:
        path = f"{folder}/{places.DOOR}".replace(",", ",,")
        yield from ("-chardev", f"socket,id=door,path={path},server=on,wait=off")
