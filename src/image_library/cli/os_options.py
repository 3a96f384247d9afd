"""Options that say of an image what the server cannot know: the operating system in it."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Operating system"

FamilyOption = Annotated[
    str,
    typer.Option(
        "--os-family", metavar="FAMILY", help="linux, windows, bsd or other.", rich_help_panel=_PANEL
    ),
]
DistributionOption = Annotated[
    str, typer.Option("--os-distribution", metavar="NAME", help="Such as debian.", rich_help_panel=_PANEL)
]
VersionOption = Annotated[
    str, typer.Option("--os-version", metavar="VERSION", help="Such as 12.", rich_help_panel=_PANEL)
]
ArchitectureOption = Annotated[
    str, typer.Option("--os-architecture", metavar="ARCH", help="Such as x86_64.", rich_help_panel=_PANEL)
]
UserOption = Annotated[
    str, typer.Option("--os-user", metavar="USER", help="Who logs in.", rich_help_panel=_PANEL)
]
ProvisioningOption = Annotated[
    str,
    typer.Option(
        "--os-provisioning",
        metavar="METHOD",
        help="By what it is told on a first boot: cloud_init, sysprep, ignition or none.",
        rich_help_panel=_PANEL,
    ),
]
