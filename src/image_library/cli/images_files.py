"""``images export``: an image as a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_library.cli import images
from image_library.cli.completion import complete_images
from image_library.cli.session import Session, command


@command(images.app, "export")
def export_image(
    session: Session,
    image: Annotated[
        str,
        typer.Argument(metavar="IMAGE", help="Image id, name or catalog id.", autocompletion=complete_images),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - is standard output.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write an image to a file, verified. The same command goes on with what an earlier one has written."""
    from image_library.cli.exporting import export, export_to_stdout

    if str(file) == "-":
        export_to_stdout(session, image)
        return
    digest = export(session, image, file, force=force)
    if session.json:
        session.out.document({"file": str(file), "digest": digest})
    else:
        session.out.line(f"{file} {digest}")
