"""``images verify``: reading copies again now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from image_library.cli.images import ImageArgument, app
from image_library.cli.session import Session, command

# Of large images and slow disks.
PATIENCE = 24 * 3600.0
COLUMNS = ("NODE", "RESULT", "READ", "WHAT")
LINE_SECONDS = 1.0


@command(app, "verify")
def verify_image(
    session: Session,
    image: ImageArgument,
    nodes: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NODE", help="Host name or id of a node; may be repeated."),
    ] = None,
) -> None:
    """Read every byte of an image's copies again. A damaged copy is put aside and fetched again."""
    from image_library.cli.lookup import node_names
    from image_library.cli.output import as_json
    from image_library.cli.sizes import shown
    from image_library.cli.streams import attended
    from image_library.domain.errors import rebuild
    from limiquantix.storage.v1.image_pb import VerifyImageProgress, VerifyImageRequest

    request = VerifyImageRequest(image=image, node_ids=nodes or [])
    names = node_names(session.library)
    results: list[VerifyImageProgress] = []
    told = began = time.monotonic()
    for said in attended(iter(session.library.patient_images(PATIENCE).verify_image(request))):
        now = time.monotonic()
        if said.result:
            results.append(said)
            began = now
        elif now - told >= LINE_SECONDS:
            told = now
            percent = 100 * said.bytes_done // max(1, said.bytes_total)
            speed = shown(int(said.bytes_done / max(now - began, 0.001)))
            session.out.note(f"{names.get(said.node_id, said.node_id)}: {percent}%, {speed}/s")
    if session.json:
        session.out.document({"results": [as_json(result) for result in results]})
    else:
        rows = [(names.get(r.node_id, r.node_id), r.result, shown(r.bytes_total), r.error) for r in results]
        session.out.table(COLUMNS, rows, empty="No node has it.")
    for result in results:
        if result.error_code:
            raise rebuild(result.error_code, result.error)
