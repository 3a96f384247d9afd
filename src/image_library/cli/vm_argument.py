"""The argument of commands about one VM."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.completion import complete_vms

VmArgument = Annotated[
    str, typer.Argument(metavar="VM", help="The VM's name or id.", autocompletion=complete_vms)
]
