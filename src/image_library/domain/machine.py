"""A VM on its node: what is asked for, the machine that is made of it, and what is known of how it runs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.guest_door import DoorLock
from image_library.domain.guest_hardware import Devices, GuestHardware, hardware_of
from image_library.domain.image import ImageFormat
from image_library.domain.processors import CpuModel
from image_library.domain.vm import SeedDocuments, Vm, VmReport
from image_library.domain.vm_disk import DiskReport, DiskTask, Snapshot

GIB = 1 << 30
MIN_MEMORY_MIB = 64
# q35 and virt take at most 255 processors without an interrupt-remapping device.
MAX_CORES = 255
MAX_MEMORY_MIB = 4 << 20
# Above this guests' file systems and qcow2's tables become the question.
MAX_DISK_GIB = 64 << 10
MAX_DOCUMENT_BYTES = 1 << 20

# The first disk of a VM, and the second one of those that an older version gave a disk of its own.
OVERLAY_DISK = "disk.qcow2"
OWN_DISK = "own.qcow2"

_VM_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DISK_FILE = re.compile(r"(disk(-\d+)?|own)\.qcow2(\.new)?")


class Firmware(Enum):
    BIOS = "bios"
    UEFI = "uefi"
    # UEFI that starts only what Microsoft's keys vouch for.
    UEFI_SECURE_BOOT = "uefi_secure_boot"


class Accelerator(Enum):
    """How guest code is executed: by the processor itself, or translated."""

    KVM = "kvm"
    TCG = "tcg"


class Condition(Enum):
    """What the hypervisor says of a VM at this moment."""

    RUNNING = "running"
    PAUSED = "paused"
    # Held still because its disk on the host cannot be written.
    DISK_FAILED = "disk_failed"
    # The guest switched itself off; its process still waits to be ended.
    SHUT_DOWN = "shut_down"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class DiskOrder:
    """A disk to make on an image, which is named by its digest or by a path that the store knows."""

    # Where the caller believes it to lie; empty, or the path that the node would choose itself.
    path: str = ""
    # 0: the image's virtual size.
    size_gib: int = 0
    backing_digest: str = ""
    backing_path: str = ""


@dataclass(frozen=True, kw_only=True)
class MachineOrder:
    """What the control plane asks a node to make."""

    vm_id: str
    name: str
    architecture: str
    cores: int
    memory_mib: int
    firmware: Firmware
    # Empty: one is derived from the VM's id.
    mac_address: str = ""
    # Of further network cards, in order.
    more_mac_addresses: tuple[str, ...] = ()
    # The bridge that each card is on, in the cards' order; empty, and for those beyond the last: none.
    bridges: tuple[str, ...] = ()
    # A TPM 2.0 of its own.
    tpm: bool = False
    # An ``OsFamily``, where it matters to the machine; empty: it does not.
    guest_os: str = ""
    devices: Devices = Devices.VIRTIO
    cpu_model: CpuModel = CpuModel.USUAL
    # "sha256:HEX" of the image that is its disc with drivers; empty: it has none.
    driver_digest: str = ""
    # Made to be looked at once: told to nobody, without a way out of its network, and gone with its daemon.
    throw_away: bool = False
    disk: DiskOrder
    seed: SeedDocuments


@dataclass(frozen=True, kw_only=True)
class Backing:
    """The image that a VM's disk is built on. ``digest`` is empty for a file that was only scanned."""

    path: str
    format: ImageFormat
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class KeptDisk:
    """A snapshot and the file that it is, which is a whole disk of its own on ``backing``."""

    snapshot: Snapshot
    file: str
    backing: Backing
    flat: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """One network card: on a bridge of the node, or on a network of its own behind the node."""

    number: int
    mac_address: str
    bridge: str = ""
    takes_ssh: bool = False


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as it was made: all that starting it needs."""

    vm_id: str
    name: str
    architecture: str
    cores: int
    memory_mib: int
    firmware: Firmware
    mac_address: str
    more_mac_addresses: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    disk_bytes: int
    backing: Backing
    tpm: bool = False
    guest_os: str = ""
    devices: Devices = Devices.VIRTIO
    cpu_model: CpuModel = CpuModel.USUAL
    # A disc that may only be read.
    drivers: Backing | None = None
    # Where SSH is forwarded from on the loopback address; 0 until it is first started.
    ssh_port: int = 0
    # It has a disk of its own by now and needs its backing no more.
    flat: bool = False
    # As in ``MachineOrder``.
    throw_away: bool = False
    # Its guest has a door to report to.
    door: bool = False
    # It has no disk of documents: its serial number says where its guest finds them.
    seed_served: bool = False
    # Its disk's file; empty: one of the two of old.
    disk_name: str = ""
    # How many files were made for its disks after the first; no name is used twice.
    files_made: int = 0
    # Oldest first.
    snapshots: tuple[KeptDisk, ...] = ()

    @property
    def cards(self) -> tuple[NetworkCard, ...]:
        """In order. SSH is forwarded to the first that is on no bridge."""
        macs = (self.mac_address, *self.more_mac_addresses)
        bridges = (*self.bridges, *("" for _ in macs))[: len(macs)]
        forwarded = next((number for number, bridge in enumerate(bridges) if not bridge), None)
        return tuple(
            NetworkCard(number=number, mac_address=mac, bridge=bridge, takes_ssh=number == forwarded)
            for number, (mac, bridge) in enumerate(zip(macs, bridges, strict=True))
        )

    @property
    def forwards_ssh(self) -> bool:
        """Whether it is logged in to by a port of the node, not at an address of its own."""
        return any(card.takes_ssh for card in self.cards)

    @property
    def hardware(self) -> GuestHardware:
        return hardware_of(self.architecture, self.guest_os, self.devices)

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of the published images that it, or a snapshot of it, cannot do without."""
        own = () if self.flat else (self.backing.digest,)
        discs = (self.drivers.digest,) if self.drivers else ()
        return tuple(digest for digest in (*own, *discs, *self.kept_on) if digest)

    @property
    def kept_on(self) -> tuple[str, ...]:
        """The digests of the images that its snapshots are built on."""
        return tuple(kept.backing.digest for kept in self.snapshots if not kept.flat)

    @property
    def disk(self) -> str:
        """The name of its disk's file. A new disk has a new one: the record alone says which is valid."""
        return self.disk_name or (OWN_DISK if self.flat else OVERLAY_DISK)

    @property
    def next_file(self) -> str:
        """The name for the next disk; ``files_made`` goes up with it."""
        return f"disk-{self.files_made + 1}.qcow2"

    @property
    def disk_files(self) -> frozenset[str]:
        """The names of the files that its disk and its snapshots are."""
        return frozenset({self.disk, *(kept.file for kept in self.snapshots)})


@dataclass(frozen=True, kw_only=True)
class MachineRecord:
    """A node's journal record of one VM: the machine, and what was last known of it."""

    machine: Machine
    report: VmReport
    # We were ending it: a process that is gone was stopped, not lost.
    stopping: bool = False
    # The host's boot in which it was last seen running.
    host_boot_id: str = ""
    # Of the door that its machine has.
    lock: DoorLock = DoorLock()
    # Work on its disk that goes on, or ended last.
    task: DiskTask | None = None
    # Its guest's file systems are or may be frozen by us, and it may be held still.
    frozen: bool = False

    @property
    def told(self) -> VmReport:
        """What is reported of it."""
        machine = self.machine
        disk = DiskReport(
            size_bytes=machine.disk_bytes,
            base_digest="" if machine.flat else machine.backing.digest,
            flat=machine.flat,
            snapshots=tuple(kept.snapshot for kept in machine.snapshots),
            task=self.task,
        )
        return replace(self.report, disk=disk)

    def evolve(self, **changes: Any) -> MachineRecord:
        return replace(self, **changes)

    def with_machine(self, **changes: Any) -> MachineRecord:
        return replace(self, machine=replace(self.machine, **changes))

    def with_report(self, **changes: Any) -> MachineRecord:
        return replace(self, report=replace(self.report, **changes))


def is_disk_file(name: str) -> bool:
    """Whether a file of this name in a VM's folder is, was, or was to become one of its disks."""
    return _DISK_FILE.fullmatch(name) is not None


def order_of(vm: Vm) -> MachineOrder:
    """What a node needs to make the VM. A version is named by its digest, or its path where it has none."""
    path = "" if vm.image_digest else vm.image_path
    return MachineOrder(
        vm_id=vm.id,
        name=vm.name,
        # Empty: the node's own.
        architecture="",
        cores=vm.cores,
        memory_mib=vm.memory_mib,
        firmware=Firmware(vm.firmware),
        mac_address=vm.mac_address,
        more_mac_addresses=vm.more_mac_addresses,
        bridges=vm.bridges,
        tpm=vm.tpm,
        guest_os=vm.guest_os,
        devices=vm.devices,
        cpu_model=vm.cpu_model,
        driver_digest=vm.driver_digest,
        disk=DiskOrder(size_gib=vm.disk_gib, backing_digest=vm.image_digest, backing_path=path),
        seed=vm.seed,
    )


def valid_vm_id(vm_id: str) -> str:
    """``vm_id`` if it may name a folder.

    Raises:
        InvalidRequest: it has other characters than lower-case letters, digits and '-', or more than 64.
    """
    if not _VM_ID.fullmatch(vm_id):
        raise InvalidRequest(
            f"'{printable(vm_id)}' is not a VM id.",
            remedy="Use at most 64 lower-case letters, digits and '-'.",
            field="vm_id",
        )
    return vm_id


def valid_mac(address: str) -> str:
    """``address`` in lower case if one network card can have it.

    Raises:
        InvalidRequest: it is not six hexadecimal bytes, or it is a group address.
    """
    lowered = address.lower()
    if not _MAC.fullmatch(lowered) or int(lowered[:2], 16) & 1:
        raise InvalidRequest(
            f"'{printable(address)}' is not a network card's address.",
            remedy="Use one such as 52:54:00:12:34:56, or leave it out.",
            field="spec.nics.mac_address",
        )
    return lowered


def mac_for(vm_id: str) -> str:
    """A locally administered address in qemu's own range, always the same for one VM."""
    tail = hashlib.sha256(vm_id.encode()).hexdigest()[:6]
    return ":".join(("52:54:00", tail[:2], tail[2:4], tail[4:]))


def valid_size(machine: MachineOrder) -> None:
    """Judges processors, memory and disk.

    Raises:
        InvalidRequest: a machine of this size cannot be made.
    """
    if not 1 <= machine.cores <= MAX_CORES:
        raise InvalidRequest(
            f"A VM has 1 to {MAX_CORES} processors, not {machine.cores}.", field="spec.cpu_cores"
        )
    if not MIN_MEMORY_MIB <= machine.memory_mib <= MAX_MEMORY_MIB:
        raise InvalidRequest(
            f"A VM has {MIN_MEMORY_MIB} to {MAX_MEMORY_MIB} MiB of memory, not {machine.memory_mib}.",
            field="spec.memory_mib",
        )
    if machine.disk.size_gib > MAX_DISK_GIB:
        raise InvalidRequest(
            f"A VM's disk has at most {MAX_DISK_GIB} GiB, not {machine.disk.size_gib}.",
            field="spec.disks.size_gib",
        )


def valid_documents(seed: SeedDocuments) -> None:
    """Judges a seed's size.

    Raises:
        InvalidRequest: a document is larger than guests are known to read.
    """
    for name in ("user_data", "meta_data", "network_config", "vendor_data"):
        if len(getattr(seed, name).encode()) > MAX_DOCUMENT_BYTES:
            raise InvalidRequest(
                f"The {name.replace('_', '-')} document is larger than {MAX_DOCUMENT_BYTES >> 20} MiB.",
                field=f"spec.cloud_init.{name}",
            )
