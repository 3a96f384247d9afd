"""Nodes on the wire: what they say of themselves, and what is shown of them."""

from __future__ import annotations

from image_library.domain.node import InventoryMark, Node, NodePhase, Registration
from image_library.wire.store_health import degradation_to_wire, scrub_to_wire
from image_library.wire.times import time_to_wire
from limiquantix.compute.v1 import node_pb

PHASES = {
    NodePhase.PENDING: node_pb.NodeStatus.Phase.PENDING,
    NodePhase.READY: node_pb.NodeStatus.Phase.READY,
    NodePhase.NOT_READY: node_pb.NodeStatus.Phase.NOT_READY,
    NodePhase.OFFLINE: node_pb.NodeStatus.Phase.OFFLINE,
}
_PHASES_BACK = {wire: phase for phase, wire in PHASES.items()}

# Newer nodes may say more than is known here, but not without end.
MOST_CAPABILITIES = 64


def node_to_wire(node: Node, image_count: int | None = None) -> node_pb.Node:
    return node_pb.Node(
        id=node.id,
        hostname=node.hostname,
        management_ip=node.management_ip,
        labels=dict(node.labels),
        status=_status(node, image_count),
        created_at=time_to_wire(node.created_at),
        updated_at=time_to_wire(node.updated_at),
        facts=node_pb.NodeFacts(
            architecture=node.architecture,
            accelerator=node.accelerator,
            capabilities=list(node.capabilities),
            version=node.version,
            agent_endpoint=node.agent_endpoint,
            store_id=node.store_id,
            inventory_epoch=node.inventory_epoch,
            inventory_sequence=node.inventory_sequence,
        ),
    )


def _status(node: Node, image_count: int | None) -> node_pb.NodeStatus:
    return node_pb.NodeStatus(
        phase=PHASES[node.phase],
        last_heartbeat=time_to_wire(node.last_heartbeat),
        error_message=node.error_message,
        running_vm_count=node.running_vm_count,
        disk_used_bytes=node.disk_used_bytes,
        disk_total_bytes=node.disk_total_bytes,
        image_count=image_count,
        degraded=degradation_to_wire(node.degraded),
        scrub=scrub_to_wire(node.scrub),
    )


def phases_from_wire(numbers: list[node_pb.NodeStatus.Phase]) -> frozenset[NodePhase] | None:
    """The phases that a filter names; None where it names only phases that no node of ours is ever in.

    Zero cannot be told from "not set" and filters nothing.
    """
    named = [number for number in numbers if int(number) != 0]
    known = frozenset(_PHASES_BACK[number] for number in named if number in _PHASES_BACK)
    return None if named and not known else known


def mark_from_wire(message: node_pb.Node) -> InventoryMark:
    facts = message.facts or node_pb.NodeFacts()
    return InventoryMark(epoch=facts.inventory_epoch, sequence=facts.inventory_sequence)


def registration_from_wire(message: node_pb.RegisterNodeRequest) -> Registration:
    return Registration(
        node_id=message.node_id,
        hostname=message.hostname,
        management_ip=message.management_ip,
        labels=dict(message.labels),
        agent_endpoint=message.agent_endpoint,
        architecture=message.architecture,
        accelerator=message.accelerator,
        capabilities=tuple(message.capabilities[:MOST_CAPABILITIES]),
        version=message.version,
        store_id=message.store_id,
        replaces_store_ids=tuple(message.replaces_store_ids),
    )


def registration_to_wire(registration: Registration) -> node_pb.RegisterNodeRequest:
    return node_pb.RegisterNodeRequest(
        node_id=registration.node_id,
        hostname=registration.hostname,
        management_ip=registration.management_ip,
        labels=dict(registration.labels),
        agent_endpoint=registration.agent_endpoint,
        architecture=registration.architecture,
        accelerator=registration.accelerator,
        capabilities=list(registration.capabilities),
        version=registration.version,
        store_id=registration.store_id,
        replaces_store_ids=list(registration.replaces_store_ids),
    )
