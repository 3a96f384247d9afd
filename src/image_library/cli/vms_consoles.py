"""Sitting at a VM's serial console or its display, and keeping what they show."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.session import Session, command
from image_library.cli.vm_argument import VmArgument


def register(app: typer.Typer) -> None:
    command(app, "console")(open_console)
    command(app, "logs")(show_logs)
    command(app, "display")(open_display)
    command(app, "screenshot")(take_screenshot)


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


def open_display(
    session: Session,
    vm: VmArgument,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Lead VNC viewers from this loopback port to it; port 0 picks a free one.",
        ),
    ] = None,
) -> None:
    """Print where a browser shows a VM's display, or lead a VNC viewer to it."""
    from image_library.cli.displays import serve
    from image_library.cli.lookup import the_vm
    from image_library.domain.errors import InvalidRequest

    found = the_vm(session.library, vm)
    if listen is None:
        url = f"{session.library.server.url}/vms/{found.id}/display"
        if session.json:
            session.out.document({"url": url})
        else:
            session.out.line(url)
        return
    if session.json:
        raise InvalidRequest("A display is no JSON document.", remedy="Leave out --json or --listen.")
    serve(session, found, listen)


def take_screenshot(
    session: Session,
    vm: VmArgument,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE.png]", help="NAME.png if left out; - is standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write what a VM's display shows to a PNG file."""
    from image_library.cli.displays import take_picture
    from image_library.cli.lookup import the_vm

    take_picture(session, the_vm(session.library, vm), file, force=force)
