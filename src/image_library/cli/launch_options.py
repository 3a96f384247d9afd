"""The options of ``launch``, which ``vms preview`` and ``vms preflight`` have as well."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from image_library.cli.completion import complete_images


class FirmwareWord(StrEnum):
    AUTO = "auto"
    BIOS = "bios"
    UEFI = "uefi"


class CpuModelWord(StrEnum):
    AUTO = "auto"
    HOST = "host"
    MAX = "max"
    V2 = "x86-64-v2"
    V3 = "x86-64-v3"


class DevicesWord(StrEnum):
    AUTO = "auto"
    VIRTIO = "virtio"
    EMULATED = "emulated"


class DatasourceWord(StrEnum):
    AUTO = "auto"
    NOCLOUD = "nocloud"
    CONFIG_DRIVE = "config-drive"
    NOCLOUD_SMBIOS = "nocloud-smbios"


ImageArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="Catalog id, image id or unique name.", autocompletion=complete_images
    ),
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="The VM's name; default: made from the image's.")
]
CpusOption = Annotated[int, typer.Option("--cpus", metavar="N", min=1, max=256, help="Virtual CPUs.")]
MemoryOption = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Such as 2G or 512M; default: 1G, 2G for Windows, more if the image needs it.",
    ),
]
DiskOption = Annotated[
    str,
    typer.Option(
        "--disk",
        metavar="SIZE",
        help="Such as 20G; default: 10G, more if the image needs it. Only what is written takes space.",
    ),
]
FirmwareOption = Annotated[
    FirmwareWord,
    typer.Option(
        "--firmware",
        metavar="auto|bios|uefi",
        help="What starts it; auto: as the image wants it, BIOS if it takes either.",
    ),
]
SecureBootOption = Annotated[
    bool, typer.Option("--secure-boot", help="UEFI that starts only what is signed (Microsoft's keys).")
]
TpmOption = Annotated[bool, typer.Option("--tpm", help="Give it a TPM 2.0 of its own.")]
CpuModelOption = Annotated[
    CpuModelWord,
    typer.Option(
        "--cpu-model",
        metavar="auto|host|max|x86-64-v2|x86-64-v3",
        help="What the guest sees of the processor; auto: as much as the node can show.",
    ),
]
DevicesOption = Annotated[
    DevicesWord,
    typer.Option(
        "--devices",
        metavar="auto|virtio|emulated",
        help="Disk and network cards; auto: emulated ones for Windows, which needs drivers for virtio.",
    ),
]
DriverIsoOption = Annotated[
    str,
    typer.Option(
        "--driver-iso",
        metavar="IMAGE",
        help="An ISO image of the library as a second disc, such as the virtio drivers for Windows.",
        autocompletion=complete_images,
    ),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="user|bridge:NAME",
        help="Where a network card is: behind the node, or on a bridge of it; again for each further card.",
    ),
]
UserOption = Annotated[
    str, typer.Option("--user", metavar="USER", help="Who logs in; default: the image's own user.")
]
SshKeyOption = Annotated[
    str,
    typer.Option(
        "--ssh-key",
        metavar="FILE",
        help="Public key file, or the key itself; default: your own, else one is made.",
    ),
]
PasswordFileOption = Annotated[
    str,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="The user's password, which only its hash leaves this machine of; '-': standard input.",
    ),
]
PackageOption = Annotated[
    list[str] | None,
    typer.Option("--package", metavar="PACKAGE", help="Install it; may be given again."),
]
RunOption = Annotated[
    list[str] | None,
    typer.Option("--run", metavar="COMMAND", help="Run it as root after the first boot; may be given again."),
]
UserDataOption = Annotated[
    Path | None,
    typer.Option("--user-data", metavar="FILE", help="Your own cloud-init user-data, merged with ours."),
]
ProvisioningOption = Annotated[
    Path | None,
    typer.Option(
        "--provisioning",
        metavar="FILE",
        help="Everything else the guest is told, as TOML: users, network, files, mounts and more.",
    ),
]
DatasourceOption = Annotated[
    DatasourceWord,
    typer.Option(
        "--datasource",
        metavar="auto|nocloud|config-drive|nocloud-smbios",
        help="How the guest finds what it is told; nocloud-smbios: without a disk, from its node.",
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", metavar="NAME", help="What this profile says, and the other options on top."),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the profile; may be given again."),
]
SecretParamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret-param",
        metavar="NAME=FILE",
        help="A secret parameter: the file's first line; '-': standard input.",
    ),
]
NodeOption = Annotated[str, typer.Option("--node", metavar="NODE", help="Run it there.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Make it although a look beforehand says that it will not come up.")
]
