"""What ``launch`` asks the server for, made of its options and files, and judged before it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from protobuf import Oneof

from image_library.cli import keys, profile_values, provisioning_file, sizes
from image_library.domain.bridges import bridge_of
from image_library.domain.cloud_init import Provisioning, identity_of
from image_library.domain.errors import (
    DiskTooSmall,
    InvalidGuestSetting,
    InvalidPassword,
    InvalidRequest,
    InvalidUserData,
    printable,
)
from image_library.domain.identity import valid_name
from image_library.domain.os_info import GuestTraits
from image_library.domain.user_data import checked_text
from limiquantix.compute.v1.vm_pb import (
    CloudInitConfig,
    CpuConfig,
    CreateVMRequest,
    Datasource,
    DiskDevice,
    FirmwareType,
    GuestUser,
    MemoryConfig,
    NetworkInterface,
    ProvisioningConfig,
    SysprepConfig,
    VmSpec,
)
from limiquantix.storage.v1.image_pb import Image, ImageCatalogEntry, ImageRequirements, OsInfo

DEFAULT_MEMORY_MIB = 1024
# It hardly starts with less.
WINDOWS_MEMORY_MIB = 2048
DEFAULT_DISK_GIB = 10
# A card's network behind the node; the other kind is "bridge:NAME".
USER_NETWORK = "user"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the options ask for; sizes are text as given, empty for the default."""

    image: str
    name: str = ""
    cpus: int = 2
    memory: str = ""
    disk: str = ""
    # "auto", "bios" or "uefi".
    firmware: str = "auto"
    secure_boot: bool = False
    tpm: bool = False
    # "auto", or as the API names it.
    cpu_model: str = "auto"
    devices: str = "auto"
    driver_iso: str = ""
    # "user" or "bridge:NAME" for each network card, in order.
    networks: tuple[str, ...] = ()
    user: str = ""
    ssh_key: str = ""
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    user_data: Path | None = None
    password_file: str = ""
    provisioning: Path | None = None
    # "auto", or as the API names it, in lower case with "-".
    datasource: str = "auto"
    profile: str = ""
    params: tuple[str, ...] = ()
    secret_params: tuple[str, ...] = ()
    node: str = ""
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """What IMAGE means: an image that is here, a catalog entry, or an image made from an entry."""

    image: Image | None
    entry: ImageCatalogEntry | None

    @property
    def name(self) -> str:
        return self.entry.id if self.entry else (self.image.name if self.image else "vm")

    @property
    def is_windows(self) -> bool:
        os = self.image.spec.os if self.image and self.image.spec else self.entry.os if self.entry else None
        return os is not None and os.family is OsInfo.OsFamily.WINDOWS

    @property
    def needs(self) -> ImageRequirements:
        of_image = self.image.spec.requirements if self.image and self.image.spec else None
        return of_image or (self.entry.requirements if self.entry else None) or ImageRequirements()


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the files among the options say."""

    user_data: str
    provisioned: provisioning_file.Provisioned
    # Of the user who logs in.
    password_hash: str = ""
    # Values for the profile's parameters.
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_parameters: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def told(wish: Wish) -> Told:
    """Raises: InvalidUserData, InvalidGuestSetting, InvalidPassword, InvalidParameter."""
    provisioned = provisioning_file.read(wish.provisioning)
    user_data = _user_data(wish.user_data)
    if user_data and provisioned.config.user_data:
        raise InvalidUserData("There is user-data in both files; give one of them.", field="user_data")
    datasource = _unless_auto(wish.datasource)
    cloud_init = (wish.user, wish.packages, wish.commands, user_data, wish.password_file, datasource)
    if provisioned.sysprep and any(cloud_init):
        raise InvalidGuestSetting(
            "The file is for Windows, and options for cloud-init are given as well.",
            remedy="Write all of it under [sysprep].",
            field="provisioning",
        )
    return Told(
        user_data=user_data or provisioned.config.user_data,
        provisioned=provisioned,
        password_hash=provisioning_file.password_from(wish.password_file) if wish.password_file else "",
        parameters=profile_values.plain(list(wish.params)),
        secret_parameters=profile_values.secret(list(wish.secret_params)),
    )


def _user_data(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return checked_text(path.expanduser().read_text(encoding="utf-8"), field="user_data")
    except OSError as error:
        why = error.strerror or "it cannot be opened"
        raise InvalidUserData(
            f"'{printable(str(path))}' cannot be read: {why}.",
            remedy="Name a file that can be read.",
            field="user_data",
        ) from None
    except UnicodeDecodeError:
        raise InvalidUserData(f"'{printable(str(path))}' is not UTF-8 text.", field="user_data") from None


def judge(wish: Wish, key: keys.Key | None, said: Told) -> None:
    """Raises what the server would raise, after the download."""
    if wish.secure_boot and wish.firmware == "bios":
        raise InvalidRequest(
            "Secure Boot is UEFI's; BIOS has none.", remedy="Leave --firmware out.", field="firmware"
        )
    for network in wish.networks:
        if network != USER_NETWORK and not bridge_of(network):
            raise InvalidRequest(
                f"'{printable(network)}' is no network.",
                remedy=f"Use {USER_NETWORK}, or bridge:NAME for a bridge of the node.",
                field="network",
            )
    if wish.name:
        valid_name(wish.name)
    if said.provisioned.sysprep:
        return
    asked = Provisioning(
        user_data=said.user_data,
        default_user=wish.user,
        ssh_authorized_keys=key.public if key else (),
        packages=wish.packages,
        run_commands=wish.commands,
    )
    identity_of(asked, vm_name=wish.name or "vm", image_user="user", traits=GuestTraits())


def request_of(wish: Wish, name: str, spec: VmSpec, said: Told) -> CreateVMRequest:
    return CreateVMRequest(
        name=name,
        spec=spec,
        start_on_create=True,
        node_id=wish.node,
        force=wish.force,
        profile=wish.profile,
        parameters=dict(said.parameters),
        secret_parameters=dict(said.secret_parameters),
    )


def spec_of(wish: Wish, found: Found, image: Image | None, key: keys.Key | None, said: Told) -> VmSpec:
    return VmSpec(
        cpu=CpuConfig(cores=wish.cpus, model=_unless_auto(wish.cpu_model)),
        memory=MemoryConfig(size_mib=_memory(wish, found)),
        disks=[DiskDevice(image=image.id if image else wish.image, size_gib=_disk(wish, found, image))],
        nics=list(_cards(wish, said)),
        vlans=list(said.provisioned.vlans),
        bonds=list(said.provisioned.bonds),
        firmware=_firmware(wish),
        bios_only=wish.firmware == "bios",
        tpm=wish.tpm,
        devices=_unless_auto(wish.devices),
        driver_iso=wish.driver_iso,
        provisioning=ProvisioningConfig(method=_method(wish, key, said)),
    )


def _unless_auto(word: str) -> str:
    return "" if word == "auto" else word


def _cards(wish: Wish, said: Told) -> Iterator[NetworkInterface]:
    """The cards that the file describes, each on the network that is given for it, and further ones."""
    for card, network in zip_longest(said.provisioned.nics, wish.networks):
        one = NetworkInterface.from_binary(card.to_binary()) if card else NetworkInterface()
        if network:
            one.network_id = "" if network == USER_NETWORK else network
        yield one


def _method(
    wish: Wish, key: keys.Key | None, said: Told
) -> Oneof[Literal["cloud_init"], CloudInitConfig] | Oneof[Literal["sysprep"], SysprepConfig]:
    sysprep = said.provisioned.sysprep
    return Oneof("sysprep", sysprep) if sysprep else Oneof("cloud_init", _cloud_init(wish, key, said))


def _firmware(wish: Wish) -> FirmwareType:
    if wish.secure_boot:
        return FirmwareType.UEFI_SECURE_BOOT
    return FirmwareType.UEFI if wish.firmware == "uefi" else FirmwareType.BIOS


def _cloud_init(wish: Wish, key: keys.Key | None, said: Told) -> CloudInitConfig:
    """What the file says, and the options after it."""
    config = CloudInitConfig.from_binary(said.provisioned.config.to_binary())
    config.user_data = said.user_data
    config.default_user = wish.user or config.default_user
    config.ssh_authorized_keys.extend(key.public if key else ())
    config.packages.extend(wish.packages)
    config.run_commands.extend(wish.commands)
    if wish.datasource != "auto":
        config.datasource = Datasource.__members__[wish.datasource.upper().replace("-", "_")]
    if said.password_hash:
        _first_user(config).password_hash = said.password_hash
    return config


def _first_user(config: CloudInitConfig) -> GuestUser:
    """The entry of the user who logs in, added where there is none."""
    first = next((user for user in config.users if user.name in ("", config.default_user)), None)
    if first is None:
        first = GuestUser()
        config.users.append(first)
    if first.password_hash:
        raise InvalidPassword("The file has a password for that user already.", field="password")
    return first


def _memory(wish: Wish, found: Found) -> int:
    if wish.memory:
        return sizes.memory_mib(wish.memory)
    usual = WINDOWS_MEMORY_MIB if found.is_windows else DEFAULT_MEMORY_MIB
    return max(usual, found.needs.min_memory_mib)


def _disk(wish: Wish, found: Found, image: Image | None) -> int:
    virtual = image.status.virtual_size_bytes if image and image.status else 0
    if wish.disk:
        # The wire counts in GiB: that the size is rounded up must not make a refusal into a surprise.
        if sizes.parse_size(wish.disk, "--disk") < virtual:
            raise DiskTooSmall(
                f"A disk of {wish.disk} is smaller than the image, which has {sizes.shown(virtual)}.",
                field="disk",
            )
        return sizes.disk_gib(wish.disk)
    return max(DEFAULT_DISK_GIB, found.needs.min_disk_gib, -(-virtual // sizes.GIB))
