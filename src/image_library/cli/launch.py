"""``launch``: from an image's name to a VM that one can log in to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_library.cli.completion import complete_images
from image_library.cli.session import Session, command


def register(app: typer.Typer) -> None:
    command(app, "launch")(launch)


def launch(
    session: Session,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE", help="Catalog id, image id or unique name.", autocompletion=complete_images
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The VM's name; default: made from the image's.")
    ] = "",
    cpus: Annotated[int, typer.Option("--cpus", metavar="N", min=1, max=256, help="Virtual CPUs.")] = 2,
    memory: Annotated[
        str,
        typer.Option(
            "--memory", metavar="SIZE", help="Such as 2G or 512M; default: 1G, more if the image needs it."
        ),
    ] = "",
    disk: Annotated[
        str,
        typer.Option(
            "--disk",
            metavar="SIZE",
            help="Such as 20G; default: 10G, more if the image needs it. Only what is written takes space.",
        ),
    ] = "",
    user: Annotated[
        str, typer.Option("--user", metavar="USER", help="Who logs in; default: the image's own user.")
    ] = "",
    ssh_key: Annotated[
        str,
        typer.Option(
            "--ssh-key",
            metavar="FILE",
            help="Public key file, or the key itself; default: your own, else one is made.",
        ),
    ] = "",
    package: Annotated[
        list[str] | None,
        typer.Option("--package", metavar="PACKAGE", help="Install it; may be given again."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run", metavar="COMMAND", help="Run it as root after the first boot; may be given again."
        ),
    ] = None,
    user_data: Annotated[
        Path | None,
        typer.Option("--user-data", metavar="FILE", help="Your own cloud-init user-data, merged with ours."),
    ] = None,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Run it there.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the VM to boot.")] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for the boot.")
    ] = 900,
) -> None:
    """Make a VM of an image and wait until one can log in. Prints the ssh command.

    An image that is not here is downloaded and verified first. When no server runs, one is started in
    the background; it and the VM stay when this command has ended.
    """
    from image_library.cli import launching

    wish = launching.Wish(
        image=image,
        name=name,
        cpus=cpus,
        memory=memory,
        disk=disk,
        user=user,
        ssh_key=ssh_key,
        packages=tuple(package or ()),
        commands=tuple(run or ()),
        user_data=user_data,
        node=node,
    )
    launching.launch(session, wish, wait_seconds=0 if no_wait else timeout)
