from __future__ import annotations

from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder
from image_library.wire.garbage import (
    garbage_from_wire,
    garbage_order_from_wire,
    garbage_order_to_wire,
    garbage_to_wire,
)
from limiquantix.storage.v1 import image_pb


def test_an_order_says_the_same_on_both_sides() -> None:
    order = GarbageOrder(dry_run=True, known=frozenset({"sha256:b", "sha256:a"}), complete=True)
    assert garbage_order_from_wire(garbage_order_to_wire(order)) == order


def test_a_node_speaks_for_itself_and_in_words_that_are_known() -> None:
    item = GarbageItem(kind=GarbageKind.PART, name="a.part", node_id="liar", bytes=7, reason="Old.")
    said = [*garbage_to_wire([item]), image_pb.GarbageItem(kind="newer", name="x")]
    [heard] = garbage_from_wire(said, node_id="node-1")
    assert (heard.kind, heard.name, heard.node_id, heard.bytes) == (GarbageKind.PART, "a.part", "node-1", 7)
