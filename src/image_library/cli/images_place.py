"""Where copies are: ``images place`` and ``images evict``."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.images import ImageArgument, app
from image_library.cli.session import Session, YesOption, command, confirm

# A node that removes a large file answers when it is gone.
PATIENCE = 3600.0

NodesOption = Annotated[
    list[str] | None,
    typer.Option("--nodes", metavar="NODE,...", help="Host names or ids of nodes; several with commas."),
]
PoolsOption = Annotated[
    list[str] | None,
    typer.Option("--pools", metavar="POOL,...", help="Ids of storage pools, which mean their nodes."),
]


@command(app, "place")
def place_image(
    session: Session,
    image: ImageArgument,
    nodes: NodesOption = None,
    pools: PoolsOption = None,
    all_nodes: Annotated[
        bool, typer.Option("--all", help="Every node that is registered; as is --nodes all.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=64, help="How many nodes fetch at a time.")
    ] = 4,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs list --active' shows it.")
    ] = False,
) -> None:
    """Bring an image to nodes: one copy from its publisher, the others from nodes that have it."""
    from image_library.cli.placing import place
    from limiquantix.storage.v1.image_pb import PlaceImageRequest

    named = _split(nodes)
    everywhere = all_nodes or named == ["all"]
    request = PlaceImageRequest(
        image=image,
        node_ids=[] if everywhere else named,
        storage_pool_ids=_split(pools),
        all_nodes=everywhere,
        concurrency=concurrency,
    )
    place(session, request, wait=not no_wait)


@command(app, "evict")
def evict_image(
    session: Session,
    image: ImageArgument,
    nodes: NodesOption = None,
    pools: PoolsOption = None,
    last_copy_too: Annotated[
        bool,
        typer.Option("--last-copy-too", help="Even the only copy. Its record stays."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Remove copies from nodes where no VM is built on them. The last copy stays unless you say otherwise."""
    from image_library.cli.lookup import the_image
    from image_library.cli.output import as_json
    from image_library.cli.placing import copies
    from limiquantix.storage.v1.image_pb import EvictImageRequest

    found = the_image(session.library, image)
    where = ", ".join(_split(nodes) + _split(pools))
    confirm(session, f"Remove the copies of '{found.name}' on {where or 'no node'}?", yes=yes)
    request = EvictImageRequest(
        image=found.id,
        node_ids=_split(nodes),
        storage_pool_ids=_split(pools),
        last_copy_too=last_copy_too,
    )
    left = session.library.patient_images(PATIENCE).evict_image(request).image or found
    if session.json:
        session.out.document(as_json(left))
    else:
        session.out.line(f"{found.name} is on {copies(session.library, left)} now.")


def _split(words: list[str] | None) -> list[str]:
    return [word for text in words or [] for word in text.split(",") if word]
