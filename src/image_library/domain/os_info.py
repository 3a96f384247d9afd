"""What is known of the operating system inside an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from image_library.domain.identity import LINUX_USER


class OsFamily(Enum):
    UNKNOWN = "unknown"
    LINUX = "linux"
    WINDOWS = "windows"
    BSD = "bsd"
    OTHER = "other"


class ProvisioningMethod(Enum):
    """How a fresh VM is told its name, users and keys."""

    UNKNOWN = "unknown"
    CLOUD_INIT = "cloud-init"
    IGNITION = "ignition"
    SYSPREP = "sysprep"
    KICKSTART = "kickstart"
    PRESEED = "preseed"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class OsInfo:
    """Empty strings where something is not known; it is never guessed."""

    family: OsFamily = OsFamily.UNKNOWN
    distribution: str = ""
    version: str = ""
    architecture: str = ""
    default_user: str = ""
    cloud_init_enabled: bool = False
    provisioning_method: ProvisioningMethod = ProvisioningMethod.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class GuestTraits:
    """How a distribution differs where cloud-init's documents must differ."""

    admin_group: str = "wheel"
    shell: str = "/bin/bash"
    init_system: str = "systemd"
    agent_preinstalled: bool = False
    agent_package: str = "qemu-guest-agent"
    # Argument lists that start the agent once it is installed.
    agent_commands: tuple[tuple[str, ...], ...] = ()
    # The package that brings sudo where the image has none; empty where it has.
    sudo_package: str = ""
    # A row of ``repositories.MANAGERS``; empty where it is not known.
    package_manager: str = ""
    # What a line of a shell is run by.
    shell_words: tuple[str, ...] = ("sh", "-c")
    user_names: re.Pattern[str] = LINUX_USER
