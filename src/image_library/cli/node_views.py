"""Nodes as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from image_library.cli.sizes import shown
from image_library.cli.words import ago, state
from limiquantix.compute.v1.node_pb import Node, NodeFacts, NodeStatus


def node_rows(nodes: Iterable[Node]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for node in nodes:
        status, facts = node.status or NodeStatus(), node.facts or NodeFacts()
        free = max(0, status.disk_total_bytes - status.disk_used_bytes)
        can = " ".join(part for part in (facts.architecture, facts.accelerator) if part)
        rows.append(
            (
                node.hostname,
                state(status.phase),
                can,
                str(status.running_vm_count),
                shown(free) if status.disk_total_bytes else "",
                ago(status.last_heartbeat),
                node.id,
                status.error_message,
            )
        )
    return rows
