"""``nodes``: the machines that keep images and run VMs."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from image_library.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Nodes: the machines that keep images and run VMs.")


@command(app, "list")
def list_nodes(session: Session) -> None:
    """List nodes: whether they are ready, what they can do and have, how full they are, and what is wrong."""
    from image_library.cli.clients import PAGE, pages
    from image_library.cli.node_views import NODES, node_rows
    from image_library.cli.output import as_json
    from limiquantix.compute.v1.node_pb import ListNodesRequest

    client = session.library.nodes
    answers = pages(lambda token: client.list_nodes(ListNodesRequest(page_size=PAGE, page_token=token)))
    nodes = list(chain.from_iterable(answer.nodes for answer in answers))
    if session.json:
        session.out.document({"nodes": [as_json(node) for node in nodes]})
        return
    empty = "There are no nodes. Start one: 'limiquantix node --control-plane URL'."
    session.out.table(NODES, node_rows(nodes), empty=empty)


@command(app, "show")
def show_node(
    session: Session,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A node's id or host name.")],
) -> None:
    """Show one node: its space, images and VMs, what is wrong with it, and what it reads again for damage."""
    from image_library.cli.node_views import node_facts
    from image_library.cli.output import as_json
    from limiquantix.compute.v1.node_pb import GetNodeRequest

    found = session.library.nodes.get_node(GetNodeRequest(id=node))
    if session.json:
        session.out.document({"node": as_json(found)})
    else:
        session.out.facts(node_facts(found))


@command(app, "resume")
def resume_node(
    session: Session,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A node's id or host name.")],
) -> None:
    """Let a node write to its degraded store again, once you have seen to its disk; the node tries it first.

    Work that waited for it begins, and new work may be given to it. Nothing is repaired by this.
    """
    from image_library.cli.output import as_json
    from limiquantix.compute.v1.node_pb import ResumeNodeRequest

    found = session.library.nodes.resume_node(ResumeNodeRequest(id=node))
    if session.json:
        session.out.document({"node": as_json(found)})
    else:
        session.out.note(f"{found.hostname} writes to its store again.")
