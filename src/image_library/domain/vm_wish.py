"""A VM as somebody asks for it, judged against what its image needs before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import DiskTooSmall, InvalidRequest, NotImplementedYet
from image_library.domain.guest_hardware import devices_for
from image_library.domain.identity import valid_name
from image_library.domain.image import Requirements
from image_library.domain.machine import GIB, MAX_CORES, MAX_MEMORY_MIB, MIN_MEMORY_MIB
from image_library.domain.network_wish import NetworkWish, network_of
from image_library.domain.os_info import OsFamily
from image_library.domain.processors import cpu_model
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource
from image_library.domain.windows.answers import WindowsWish

DEFAULT_CORES = 2
DEFAULT_MEMORY_MIB = 2048
LARGEST_DISK_GIB = 64 * 1024
MOST_LABELS = 64
LONGEST_LABEL = 256
LONGEST_DESCRIPTION = 4096


@dataclass(frozen=True, kw_only=True)
class DiskWish:
    # Catalog id, image id or unique name.
    image: str = ""
    # An old client's way: the path of a known image.
    backing_file: str = ""
    volume_id: str = ""
    # 0: the image's virtual size.
    size_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class VmWish:
    """What is asked for; zero and empty mean that the server chooses."""

    name: str
    project_id: str = "default"
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    cores: int = 0
    memory_mib: int = 0
    disks: tuple[DiskWish, ...] = ()
    network: NetworkWish = NetworkWish()
    # "" (as the image wants it), "bios", "uefi" or "uefi_secure_boot".
    firmware: str = ""
    tpm: bool = False
    # As ``domain.processors`` and ``domain.guest_hardware`` name them.
    cpu_model: str = ""
    devices: str = ""
    # The image that is its disc with drivers: a catalog id, an image id or a unique name.
    driver_iso: str = ""
    provisioning: Provisioning = Provisioning()
    # None: what the image reads.
    datasource: Datasource | None = None
    start_on_create: bool = True
    # An id or a host name.
    node: str = ""
    # Make it although a look beforehand says that it will not come up.
    force: bool = False
    # By name, with values for its parameters. Once it is applied, NAME@REVISION and no values.
    profile: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_parameters: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    from_template: bool = False
    # For Windows, instead of ``provisioning``.
    windows: WindowsWish | None = None


@dataclass(frozen=True, kw_only=True)
class MachineSize:
    cores: int
    memory_mib: int


def judge(wish: VmWish) -> DiskWish:
    """Everything that can be judged without knowing the image; answers with the one disk.

    Raises:
        InvalidName, InvalidRequest: a field cannot be used.
        NotImplementedYet: it asks for what this version does not make.
    """
    valid_name(wish.name)
    if wish.from_template:
        raise NotImplementedYet(
            "No VM is made as a template.",
            remedy="Make it, stop it, and capture it: 'limiquantix templates capture'.",
        )
    if len(wish.description) > LONGEST_DESCRIPTION:
        raise InvalidRequest(
            f"The description has more than {LONGEST_DESCRIPTION} characters.", field="description"
        )
    _judge_labels(wish.labels)
    network_of(wish.network, wish.name)
    cpu_model(wish.cpu_model)
    devices_for(wish.devices, OsFamily.UNKNOWN)
    return _sole_disk(wish)


def _judge_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MOST_LABELS:
        raise InvalidRequest(f"There are more than {MOST_LABELS} labels.", field="labels")
    if any(
        not key or len(key) > LONGEST_LABEL or len(value) > LONGEST_LABEL for key, value in labels.items()
    ):
        raise InvalidRequest(f"A label is empty or longer than {LONGEST_LABEL} characters.", field="labels")


def _sole_disk(wish: VmWish) -> DiskWish:
    if len(wish.disks) != 1:
        raise InvalidRequest(
            f"A VM has one disk, built on an image; {len(wish.disks)} are asked for.",
            remedy="Give spec.disks one entry with an image.",
            field="spec.disks",
        )
    disk = wish.disks[0]
    if disk.volume_id or bool(disk.image) == bool(disk.backing_file):
        raise InvalidRequest(
            "The disk names no image.",
            remedy="Give its image: a catalog id, an image id or a unique name, and nothing beside it.",
            field="spec.disks.image",
        )
    if disk.size_gib > LARGEST_DISK_GIB:
        raise InvalidRequest(f"A disk has at most {LARGEST_DISK_GIB} GiB.", field="spec.disks.size_gib")
    return disk


def machine_size(wish: VmWish, needs: Requirements) -> MachineSize:
    """Processors and memory: as asked for, else enough for the image.

    Raises:
        InvalidRequest: no such machine can be made.
    """
    cores = wish.cores or max(DEFAULT_CORES, needs.min_cpu)
    memory = wish.memory_mib or max(DEFAULT_MEMORY_MIB, needs.min_memory_mib)
    if cores > MAX_CORES:
        raise InvalidRequest(f"A VM has at most {MAX_CORES} processors.", field="spec.cpu.cores")
    if not MIN_MEMORY_MIB <= memory <= MAX_MEMORY_MIB:
        raise InvalidRequest(
            f"A VM has {MIN_MEMORY_MIB} to {MAX_MEMORY_MIB} MiB of memory, not {memory}.",
            field="spec.memory.size_mib",
        )
    return MachineSize(cores=cores, memory_mib=memory)


def firmware_for(wish: VmWish, needs: Requirements, found: tuple[str, ...] = ()) -> str:
    """ "bios", "uefi" or "uefi_secure_boot": as asked for, else what the image boots with, BIOS if either.

    ``found`` is what was seen inside the image, which is believed before what is said of it.

    Raises:
        InvalidRequest: the image is said not to boot with what is asked for.
    """
    asked = wish.firmware
    if not asked and needs.secure_boot:
        return "uefi_secure_boot"
    if not asked:
        known = found or needs.firmware
        return "uefi" if known and "bios" not in known else "bios"
    if needs.firmware and family_of(asked) not in needs.firmware:
        only = " or ".join(kind.upper() for kind in needs.firmware)
        raise InvalidRequest(
            f"The image boots with {only} only.", remedy=f"Ask for {only}.", field="spec.firmware"
        )
    return asked


def family_of(firmware: str) -> str:
    """ "bios" or "uefi"."""
    return "bios" if firmware == "bios" else "uefi"


def tpm_for(wish: VmWish, needs: Requirements) -> bool:
    return wish.tpm or needs.tpm


def judge_disk_size(size_gib: int, virtual_size_bytes: int) -> None:
    """Refuses a disk that the image does not fit on; sizes of zero are not known or not asked for.

    Raises:
        DiskTooSmall: the image is larger.
    """
    if size_gib and virtual_size_bytes > size_gib * GIB:
        needed = -(-virtual_size_bytes // GIB)
        raise DiskTooSmall(
            f"A disk of {size_gib} GiB is smaller than the image, which needs {needed} GiB.",
            field="spec.disks.size_gib",
        )
