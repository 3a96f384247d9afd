"""All that is known of a VM that is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from image_library.domain.cloud_init import GuestIdentity, Provisioning
from image_library.domain.guest_facts import GuestFacts
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import Requirements
from image_library.domain.network_config import Network
from image_library.domain.os_info import GuestTraits, OsInfo
from image_library.domain.processors import CpuModel
from image_library.domain.trust import TrustLevel
from image_library.domain.vm import Datasource
from image_library.domain.windows.answers import WindowsWish


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Where a cloud-config is not as cloud-init's schema has it. It never repeats a value."""

    # The path to it, such as users.0.shell.
    path: str
    # What is wrong there: "is not of type string".
    what: str
    # Newer versions of cloud-init may know it.
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    asked: Provisioning
    # None where the caller's own user-data says all.
    identity: GuestIdentity | None
    # The caller's own cloud-configs, as data, and what the schema says of them.
    configs: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    problems: tuple[Problem, ...] = ()
    # How the guest finds what it is told.
    datasource: Datasource = Datasource.NOCLOUD
    # What Windows Setup is told instead; None: cloud-init is told.
    windows: WindowsWish | None = None
    network: Network
    # The caller's own network-config, as data.
    network_config: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    image_name: str
    os: OsInfo
    traits: GuestTraits
    # None where nobody has looked inside, or the image is not here yet.
    found: GuestFacts | None = None
    needs: Requirements
    # None: the image is not here yet.
    trust: TrustLevel | None = None
    # What should be known of the image, one sentence each.
    warnings: tuple[str, ...] = ()
    support_ends: date | None = None
    today: date
    virtual_size_bytes: int = 0
    disk_gib: int = 0
    memory_mib: int
    firmware: str
    tpm: bool = False
    cpu_model: CpuModel = CpuModel.USUAL
    devices: Devices = Devices.VIRTIO
    # It has a second disc, with drivers.
    has_drivers: bool = False
    # Of each card; empty: none.
    bridges: tuple[str, ...] = ()
    # Of the nodes that may run it; those that are not known are left out.
    node_architectures: frozenset[str] = frozenset()
    # "kvm" or "tcg", of the same nodes.
    node_accelerators: frozenset[str] = frozenset()
    # What each node that may run it has; nodes that have not said are left out.
    node_capabilities: tuple[frozenset[str], ...] = ()
    # Time zones that are known here; empty: none are.
    timezones: frozenset[str] = frozenset()
