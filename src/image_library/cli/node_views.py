"""Nodes as rows of a table, and one node's facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from image_library.cli.sizes import shown
from image_library.cli.words import ago, at, state
from limiquantix.compute.v1.node_pb import Node, NodeFacts, NodeStatus

NODES = ("HOST NAME", "STATE", "ARCHITECTURE", "VMS", "IMAGES", "FREE", "LAST HEARD OF", "ID", "")


def node_rows(nodes: Iterable[Node]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for node in nodes:
        status, facts = node.status or NodeStatus(), node.facts or NodeFacts()
        can = " ".join(part for part in (facts.architecture, facts.accelerator) if part)
        rows.append(
            (
                node.hostname,
                state(status.phase),
                can,
                str(status.running_vm_count),
                str(status.image_count),
                _free(status),
                ago(status.last_heartbeat),
                node.id,
                status.error_message,
            )
        )
    return rows


def node_facts(node: Node) -> list[tuple[str, str]]:
    status, facts = node.status or NodeStatus(), node.facts or NodeFacts()
    total = shown(status.disk_total_bytes) if status.disk_total_bytes else ""
    return [
        ("host name", node.hostname),
        ("id", node.id),
        ("state", state(status.phase)),
        ("trouble", status.error_message),
        ("last heard of", f"{ago(status.last_heartbeat)} ({at(status.last_heartbeat)})"),
        ("address", facts.agent_endpoint),
        ("architecture", facts.architecture),
        ("accelerator", facts.accelerator),
        ("running VMs", str(status.running_vm_count)),
        ("images", str(status.image_count)),
        ("space", f"{_free(status)} free of {total}" if total else ""),
        ("store", facts.store_id),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))),
        ("version", facts.version),
        ("registered", at(node.created_at)),
    ]


def _free(status: NodeStatus) -> str:
    free = max(0, status.disk_total_bytes - status.disk_used_bytes)
    return shown(free) if status.disk_total_bytes else ""
