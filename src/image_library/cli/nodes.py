"""``nodes``: the machines that keep images and run VMs."""

from __future__ import annotations

from itertools import chain

import typer

from image_library.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Nodes: the machines that keep images and run VMs.")


@command(app, "list")
def list_nodes(session: Session) -> None:
    """List nodes: whether they are ready, what they can do, how full they are."""
    from image_library.cli.clients import PAGE, pages
    from image_library.cli.node_views import node_rows
    from image_library.cli.output import as_json
    from limiquantix.compute.v1.node_pb import ListNodesRequest

    client = session.library.nodes
    answers = pages(lambda token: client.list_nodes(ListNodesRequest(page_size=PAGE, page_token=token)))
    nodes = list(chain.from_iterable(answer.nodes for answer in answers))
    if session.json:
        session.out.document({"nodes": [as_json(node) for node in nodes]})
        return
    columns = ("HOST NAME", "STATE", "ARCHITECTURE", "VMS", "FREE", "LAST HEARD OF", "ID", "")
    empty = "There are no nodes. Start one: 'limiquantix node --control-plane URL'."
    session.out.table(columns, node_rows(nodes), empty=empty)
