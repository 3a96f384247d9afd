"""``vms console`` and ``vms logs``: sitting at a VM's serial console, and reading what it wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.session import Session, command
from image_library.cli.vm_argument import VmArgument


def register(app: typer.Typer) -> None:
    command(app, "console")(open_console)
    command(app, "logs")(show_logs)


def open_console(session: Session, vm: VmArgument) -> None:
    """Sit at a VM's serial console; Ctrl-] leaves. It works when nothing else in the VM does."""
    from image_library.cli.lookup import the_vm
    from image_library.cli.terminal import sit_at
    from image_library.domain.errors import InvalidRequest

    if session.json:
        raise InvalidRequest(
            "A console is no JSON document.", remedy="Read it: 'limiquantix vms logs NAME --json'."
        )
    sit_at(session, the_vm(session.library, vm))


def show_logs(
    session: Session,
    vm: VmArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the guest writes.")] = False,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", min=0, help="Only the last N lines.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The guest's bytes as they are, control sequences included.")
    ] = False,
) -> None:
    """Print what a VM wrote on its serial console in this boot."""
    from image_library.cli.consoles import show
    from image_library.cli.lookup import the_vm

    show(session, the_vm(session.library, vm), follow=follow, lines=lines, raw=raw)
