"""The devices of a machine as qemu's arguments: its disks and discs, and its network cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from image_library.domain.guest_door import DOOR_PORT
from image_library.domain.guest_hardware import Disc, Disk
from image_library.domain.guest_report import DOOR_HOST
from image_library.domain.machine import Machine

# With -blockdev's names; the first disk starts the machine.
_DISKS = {
    Disk.VIRTIO: "virtio-blk-pci,drive=disk,bootindex=1",
    Disk.SATA: "ide-hd,bus=ide.0,drive=disk,bootindex=1",
}
_DISCS = {
    Disc.DISK: "virtio-blk-pci,drive={name}",
    Disc.SATA_CDROM: "ide-cd,bus=ide.{port},drive={name}",
}
# The guest's way to report to its node.
DOOR = f",guestfwd=tcp:{DOOR_HOST}:{DOOR_PORT}-chardev:door"
# The port of each disc, where they have ports.
_PORTS = {"seed": 1, "drivers": 2}


def needs_sata(machine: Machine) -> bool:
    has = machine.hardware
    return has.disk is Disk.SATA or has.disc is Disc.SATA_CDROM


def discs(machine: Machine) -> tuple[str, ...]:
    """What its discs are called: the seed, and the one with drivers."""
    seed = () if machine.seed_served else ("seed",)
    return (*seed, "drivers") if machine.drivers else seed


def disks(machine: Machine) -> Iterator[str]:
    yield from ("-device", _DISKS[machine.hardware.disk])
    for name in discs(machine):
        yield from ("-device", _DISCS[machine.hardware.disc].format(name=name, port=_PORTS[name]))


def cards(machine: Machine, *, ssh_port: int, isolated: bool, taps: Mapping[int, int]) -> Iterator[str]:
    """Each on its bridge, or on a user network of its own."""
    isolation = ",restrict=on" if isolated else ""
    for card in machine.cards:
        name = f"net{card.number or ''}"
        if card.bridge:
            way = f"tap,id={name},fd={taps[card.number]}"
        else:
            own = f",net=10.0.{card.number + 2}.0/24" if card.number else ""
            ssh = f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22" if card.takes_ssh else ""
            door = "" if card.number or not machine.door else DOOR
            way = f"user,id={name}{own}{ssh}{door}{isolation}"
        yield from ("-netdev", way)
        yield from ("-device", f"{machine.hardware.card},netdev={name},mac={card.mac_address},romfile=")
