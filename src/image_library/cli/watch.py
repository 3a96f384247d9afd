"""``watch``: everything that happens in the library, as it happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from image_library.cli.session import Session, command

if TYPE_CHECKING:
    from limiquantix.storage.v1.image_pb import LibraryChange


KINDS = ("image", "job", "node", "vm")


def register(app: typer.Typer) -> None:
    command(app, "watch")(watch)


def watch(
    session: Session,
    since: Annotated[
        int, typer.Option(help="Go on after this sequence number; 0 shows everything first.", min=0)
    ] = 0,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="image, job, node or vm; may be repeated.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when all there is has been shown.")] = False,
) -> None:
    """Show what changes: images with their copies, jobs, nodes, VMs. With --json one document a line."""
    from image_library.cli.output import as_json
    from image_library.cli.watch_views import described

    for change in _changes(session, since, tuple(kind or KINDS)):
        if session.json:
            sys.stdout.write(json.dumps(as_json(change), separators=(",", ":")) + "\n")
            sys.stdout.flush()
        elif line := described(change):
            session.out.line(line)
        if once and change.change is not None and change.change.field == "up_to_date":
            return


def _changes(session: Session, since: int, kinds: tuple[str, ...]) -> Iterator[LibraryChange]:
    """What the server tells, over its restarts: each time from where it had come to."""
    from image_library.cli.progress import PATIENCE, reconnecting
    from image_library.cli.streams import attended
    from limiquantix.storage.v1.image_pb import WatchLibraryRequest

    reached = since

    def connect() -> Iterator[LibraryChange]:
        request = WatchLibraryRequest(since_sequence=reached, kinds=list(kinds))
        return session.library.images.watch_library(request)

    for change in attended(reconnecting(connect, session.out, seconds=PATIENCE)):
        reached = change.sequence
        yield change
