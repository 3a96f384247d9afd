"""The devices that a guest is given, as rows by its operating system: no program has to ask which it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.os_info import OsFamily


class Devices(StrEnum):
    """What its disk and network cards are."""

    # Fast; the guest needs drivers, which every Linux and BSD has.
    VIRTIO = "virtio"
    # A SATA disk and an Intel card: what a Windows without further drivers knows.
    EMULATED = "emulated"


class Disk(StrEnum):
    VIRTIO = "virtio"
    SATA = "sata"


class Disc(StrEnum):
    """How what may only be read is attached: the seed, and discs with drivers."""

    # As a disk: not every cloud kernel has a driver for a CD-ROM on this machine.
    DISK = "disk"
    SATA_CDROM = "sata_cdrom"


class Card(StrEnum):
    """As qemu names it, without its bus."""

    VIRTIO = "virtio-net-pci"
    INTEL = "e1000e"


@dataclass(frozen=True, kw_only=True)
class GuestHardware:
    disk: Disk = Disk.VIRTIO
    disc: Disc = Disc.DISK
    card: Card = Card.VIRTIO
    # Its clock shows the host's local time, not UTC.
    local_time: bool = False
    # It can be told that it runs on a hypervisor in the way that Windows asks for.
    hyperv: bool = False


_USUAL = GuestHardware()
# Windows Setup looks for an answer file on discs, and Windows takes the machine's clock for local time.
_WINDOWS = GuestHardware(disc=Disc.SATA_CDROM, local_time=True, hyperv=True)
_ROWS = {
    ("x86_64", True, Devices.VIRTIO): _WINDOWS,
    ("x86_64", True, Devices.EMULATED): GuestHardware(
        disk=Disk.SATA, disc=Disc.SATA_CDROM, card=Card.INTEL, local_time=True, hyperv=True
    ),
    ("x86_64", False, Devices.EMULATED): GuestHardware(disk=Disk.SATA, disc=Disc.SATA_CDROM, card=Card.INTEL),
    # Arm's virtual machine has no SATA: whatever it runs needs the drivers.
    ("aarch64", True, Devices.VIRTIO): GuestHardware(local_time=True),
    ("aarch64", True, Devices.EMULATED): GuestHardware(local_time=True),
}
# By operating system; any other brings the drivers.
_DEFAULTS = {OsFamily.WINDOWS: Devices.EMULATED}


def hardware_of(architecture: str, guest_os: str, devices: Devices) -> GuestHardware:
    windows = guest_os == OsFamily.WINDOWS.value
    return _ROWS.get((architecture, windows, devices), _USUAL)


def devices_for(asked: str, family: OsFamily) -> Devices:
    """As asked for, else what the operating system knows without further drivers.

    Raises:
        InvalidRequest: there are no such devices.
    """
    if not asked:
        return _DEFAULTS.get(family, Devices.VIRTIO)
    try:
        return Devices(asked)
    except ValueError:
        raise InvalidRequest(
            f"'{printable(asked)}' is no kind of devices.",
            remedy="Use virtio or emulated, or leave it out.",
            field="spec.devices",
        ) from None
