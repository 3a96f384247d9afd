"""``images export``: an image as a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_library.cli import images
from image_library.cli.completion import complete_images
from image_library.cli.images import CompressOption
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
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help="qcow2, raw, vmdk, vhd, vhdx or vdi; default: as it is."
        ),
    ] = "",
    compress: CompressOption = "",
) -> None:
    """Write an image to a file, verified. The same command goes on with what an earlier one has written.

    Another format is made on a node first, as an image that goes when the file is written.
    """
    from image_library.cli.converting import converted
    from image_library.cli.exporting import judge_target

    if str(file) != "-":
        # Before anything is made for it.
        judge_target(file, force=force)
    if not (format_ or compress):
        _write(session, image, file, called=image)
        return
    with converted(session, image, format_=format_ or "qcow2", compress=compress) as made:
        _write(session, made, file, called=image)


def _write(session: Session, image: str, file: Path, *, called: str) -> None:
    from image_library.cli.exporting import export, export_to_stdout

    if str(file) == "-":
        export_to_stdout(session, image, called=called)
        return
    digest = export(session, image, file, called=called)
    if session.json:
        session.out.document({"file": str(file), "digest": digest})
    else:
        session.out.line(f"{file} {digest}")
