"""``images list``: all images, or those that are asked for, in an order of choice."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import typer

from image_library.cli.session import Session

WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="KEY=VALUE", help="Only images like this (docs/lists.md); repeatable."),
]
AllVersionsOption = Annotated[
    bool, typer.Option("--all-versions", help="Also versions that no name points to.")
]
HiddenOption = Annotated[bool, typer.Option("--hidden", help="Also hidden images.")]
OrderOption = Annotated[
    str,
    typer.Option(
        "--order",
        metavar="ORDER",
        help="created_at, updated_at, name or size_bytes; 'name desc' turns it round. Else newest first.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0: all.")]
TokenOption = Annotated[
    str, typer.Option("--page-token", metavar="TOKEN", help="Go on where a list with --limit ended.")
]


def list_images(
    session: Session,
    where: WhereOption = None,
    all_versions: AllVersionsOption = False,
    hidden: HiddenOption = False,
    order: OrderOption = "",
    limit: LimitOption = 0,
    page_token: TokenOption = "",
) -> None:
    """List the images that are here, with their trust and their nodes."""
    from image_library.cli.image_query import image_query
    from image_library.cli.image_views import image_rows
    from image_library.cli.lookup import node_names, some_images
    from image_library.cli.output import as_json, plain

    names = cache(lambda: node_names(session.library))
    query = image_query(
        where or (),
        all_versions=all_versions,
        hidden=hidden,
        order=order,
        node_ids=lambda: {hostname: node_id for node_id, hostname in names().items()},
    )
    query.page_token = page_token
    answer = some_images(session.library, query, limit=limit)
    if session.json:
        session.out.document(as_json(answer))
        return
    columns = ("NAME", "OS", "STATE", "TRUST", "SIZE", "DISK", "NODES", "ID")
    yet = "There are no images yet. See 'limiquantix images catalog'."
    empty = "There are no images like this." if where or page_token else yet
    session.out.table(columns, image_rows(answer.images, names()), empty=empty)
    if answer.next_page_token:
        rest = f"{answer.total_count} in all. Go on with --page-token {plain(answer.next_page_token)}"
        session.out.note(rest)
