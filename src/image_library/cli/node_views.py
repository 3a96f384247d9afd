"""Nodes as rows of a table, and one node's facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from image_library.cli.sizes import shown
from image_library.cli.words import ago, at, state
from limiquantix.compute.v1.node_pb import Node, NodeFacts, NodeStatus, ScrubState

NODES = ("HOST NAME", "STATE", "ARCHITECTURE", "VMS", "IMAGES", "FREE", "LAST HEARD OF", "ID", "")


def node_rows(nodes: Iterable[Node]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for node in nodes:
        status, facts = node.status or NodeStatus(), node.facts or NodeFacts()
        can = " ".join(part for part in (facts.architecture, facts.accelerator) if part)
        rows.append(
            (
                node.hostname,
                node_state(status),
                can,
                str(status.running_vm_count),
                str(status.image_count),
                _free(status),
                ago(status.last_heartbeat),
                node.id,
                _trouble(status),
            )
        )
    return rows


def node_facts(node: Node) -> list[tuple[str, str]]:
    status, facts = node.status or NodeStatus(), node.facts or NodeFacts()
    total = shown(status.disk_total_bytes) if status.disk_total_bytes else ""
    return [
        ("host name", node.hostname),
        ("id", node.id),
        ("state", node_state(status)),
        ("trouble", _trouble(status)),
        ("degraded since", at(status.degraded.since) if status.degraded else ""),
        ("last heard of", f"{ago(status.last_heartbeat)} ({at(status.last_heartbeat)})"),
        ("address", facts.agent_endpoint),
        ("architecture", facts.architecture),
        ("accelerator", facts.accelerator),
        ("can give VMs", " ".join(facts.capabilities)),
        ("running VMs", str(status.running_vm_count)),
        ("images", str(status.image_count)),
        ("space", f"{_free(status)} free of {total}" if total else ""),
        ("store", facts.store_id),
        *scrub_facts(status.scrub),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))),
        ("version", facts.version),
        ("registered", at(node.created_at)),
    ]


def _free(status: NodeStatus) -> str:
    free = max(0, status.disk_total_bytes - status.disk_used_bytes)
    return shown(free) if status.disk_total_bytes else ""


def node_state(status: NodeStatus) -> str:
    """A node that answers and takes nothing new is not simply ready."""
    ready = status.phase == NodeStatus.Phase.READY
    return "degraded" if ready and status.degraded is not None else state(status.phase)


def _trouble(status: NodeStatus) -> str:
    if status.error_message or status.degraded is None:
        return status.error_message
    return f"{status.degraded.trouble}: {status.degraded.reason}"


def scrub_facts(scrub: ScrubState | None) -> list[tuple[str, str]]:
    """What the node reads again to find damage; nothing where it says nothing of it."""
    if scrub is None:
        return []
    reading = ""
    if scrub.reading:
        percent = min(100, scrub.bytes_done * 100 // scrub.bytes_total) if scrub.bytes_total else 0
        slowly = ", slowly beside transfers" if scrub.gives_way else ""
        reading = f"{scrub.reading} ({percent} % of {shown(scrub.bytes_total)}{slowly})"
    damage = scrub.last_damage
    when = f"{ago(damage.found_at)} ({at(damage.found_at)})" if damage else ""
    return [
        ("reads again", reading),
        ("due to be read", f"{scrub.due} (all read by {at(scrub.done_at)})" if scrub.due else ""),
        ("next to be read", at(scrub.next_at)),
        ("last damage", f"{damage.name or damage.digest}, {when}" if damage else "none found"),
    ]
