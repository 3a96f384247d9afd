"""A virtual machine as the library knows it: what was asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.guest_hardware import Devices
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.image import Failure
from image_library.domain.processors import CpuModel
from image_library.domain.vm_disk import DiskReport


class PowerState(Enum):
    UNKNOWN = "unknown"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    CRASHED = "crashed"
    PROVISIONING = "provisioning"
    LOST = "lost"


class BootStage(Enum):
    """How far a VM has come on its first boot, in order."""

    IMAGE = "image"
    DISK = "disk"
    BOOT = "boot"
    NETWORK = "network"
    CLOUD_INIT = "cloud_init"
    SSH = "ssh"
    DONE = "done"


class CloudInitStatus(Enum):
    """What cloud-init in the guest has reported so far."""

    UNKNOWN = ""
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


class Datasource(Enum):
    """How a guest finds what it is told."""

    # A disk labelled "cidata" with meta-data, user-data, network-config and vendor-data.
    NOCLOUD = "nocloud"
    # A disk labelled "config-2" in OpenStack's layout; meta-data and network are JSON.
    CONFIG_DRIVE = "config_drive"
    # A disk with the answer file of Windows Setup.
    ANSWER_FILE = "answer_file"
    # No disk: the machine's serial number names a URL of its node that has NoCloud's files.
    NOCLOUD_SMBIOS = "nocloud_smbios"


@dataclass(frozen=True, kw_only=True)
class SeedDocuments:
    """The files of a seed, exactly as they go on it. They may hold secrets and do not print."""

    user_data: str = field(repr=False)
    meta_data: str = field(repr=False)
    network_config: str = field(default="", repr=False)
    vendor_data: str = field(default="", repr=False)
    datasource: Datasource = Datasource.NOCLOUD
    # The node shall add vendor-data that makes the guest report to it.
    phone_home: bool = False


@dataclass(frozen=True, kw_only=True)
class VmReport:
    """What a node says of one of its VMs."""

    vm_id: str
    name: str = ""
    state: PowerState = PowerState.UNKNOWN
    stage: BootStage = BootStage.DISK
    started_at: datetime | None = None
    ssh_host: str = ""
    ssh_port: int = 0
    ip_addresses: tuple[str, ...] = ()
    cloud_init: CloudInitStatus = CloudInitStatus.UNKNOWN
    cloud_init_errors: tuple[str, ...] = ()
    error_message: str = ""
    failures: tuple[ModuleFailure, ...] = ()
    # What the guest reported of itself, once it has.
    guest: GuestReport | None = None
    # None where the node says nothing of it, as an older one does.
    disk: DiskReport | None = None


@dataclass(frozen=True, kw_only=True)
class VmBase:
    """A version that a VM's snapshot is built on, or that its disk is being put on: it has to stay."""

    image_id: str
    digest: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Vm:
    """The control plane's record of a VM."""

    id: str
    name: str
    project_id: str = "default"
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    cores: int
    memory_mib: int
    # 0: the image's virtual size.
    disk_gib: int = 0
    # "bios", "uefi" or "uefi_secure_boot".
    firmware: str = "bios"
    tpm: bool = False
    mac_address: str
    # Of its further network cards, in order.
    more_mac_addresses: tuple[str, ...] = ()
    # The bridge of the node that each card is on; empty, and for those beyond the last: none.
    bridges: tuple[str, ...] = ()
    # An ``OsFamily``, where it matters to the machine.
    guest_os: str = ""
    devices: Devices = Devices.VIRTIO
    cpu_model: CpuModel = CpuModel.USUAL
    # The image that is its disc with drivers, while it has one.
    driver_image_id: str = ""
    driver_image_name: str = ""
    driver_digest: str = ""
    node_id: str = ""
    # The image it was asked for by, and the version that it got. Only the name stays, as a text, once its
    # disk needs no image any more.
    image_id: str = ""
    image_name: str = ""
    image_digest: str = ""
    # Where the version lies on the node; names it where it has no digest (an operator's file).
    image_path: str = ""
    # Other versions that have to stay for it.
    bases: tuple[VmBase, ...] = ()
    ssh_user: str = ""
    # What it was made of, as NAME@REVISION.
    profile: str = ""
    seed: SeedDocuments
    start_on_create: bool = True
    # What should be known of its image, one sentence each.
    warnings: tuple[str, ...] = ()
    # The download that it waits for.
    job_id: str = ""
    report: VmReport
    failure: Failure | None = None
    created_at: datetime
    updated_at: datetime
    state_changed_at: datetime

    @property
    def kept_images(self) -> tuple[str, ...]:
        """The ids of the images that it cannot do without."""
        kept = (self.image_id, self.driver_image_id, *(base.image_id for base in self.bases))
        return tuple(dict.fromkeys(image_id for image_id in kept if image_id))

    @property
    def has_image(self) -> bool:
        """Whether the version is known that its disk is, or will be, built on."""
        return bool(self.image_digest or self.image_path)

    def evolve(self, **changes: Any) -> Vm:
        return replace(self, **changes)
