"""``images convert``: an image in another format."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.images import CompressOption, ImageArgument, NodeOption, app
from image_library.cli.session import Session, command


@command(app, "convert")
def convert_image(
    session: Session,
    image: ImageArgument,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="qcow2, raw, vmdk, vhd, vhdx or vdi.")
    ],
    compress: CompressOption = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The new image's; default: IMAGE-FORMAT.")
    ] = "",
    node: NodeOption = "",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
) -> None:
    """Make a new image of one that is there, in another format. The old one stays."""
    from image_library.cli.converting import conversion
    from image_library.cli.output import as_json
    from image_library.cli.progress import described, follow

    wanted = conversion(session, image, format_=format_, compress=compress)
    wanted.name, wanted.node_id = name, node
    job = session.library.images.convert_image(wanted)
    last = job if no_wait else follow(session.library, job.job_id, session.out)
    if session.json:
        session.out.document(as_json(last))
    elif no_wait:
        session.out.line(job.job_id)
    else:
        session.out.line(described(last))
