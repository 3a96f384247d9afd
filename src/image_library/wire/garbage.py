"""Garbage on the wire: what is looked for, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder
from limiquantix.node.v1.node_daemon_pb import CollectGarbageOnNodeRequest
from limiquantix.storage.v1 import image_pb

_KINDS = {kind.value: kind for kind in GarbageKind}


def garbage_to_wire(items: Iterable[GarbageItem]) -> list[image_pb.GarbageItem]:
    return [
        image_pb.GarbageItem(
            kind=item.kind.value, name=item.name, node_id=item.node_id, bytes=item.bytes, reason=item.reason
        )
        for item in items
    ]


def garbage_from_wire(items: Iterable[image_pb.GarbageItem], *, node_id: str) -> tuple[GarbageItem, ...]:
    """What a node says of itself; kinds of a newer contract are left out."""
    known = (item for item in items if item.kind in _KINDS)
    return tuple(
        GarbageItem(
            kind=_KINDS[item.kind], name=item.name, node_id=node_id, bytes=item.bytes, reason=item.reason
        )
        for item in known
    )


def garbage_order_to_wire(order: GarbageOrder) -> CollectGarbageOnNodeRequest:
    return CollectGarbageOnNodeRequest(
        dry_run=order.dry_run, known_digests=sorted(order.known), complete=order.complete
    )


def garbage_order_from_wire(message: CollectGarbageOnNodeRequest) -> GarbageOrder:
    order = GarbageOrder(dry_run=message.dry_run, complete=message.complete)
    return replace(order, known=frozenset(message.known_digests))
