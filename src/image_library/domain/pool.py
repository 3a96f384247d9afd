"""A storage pool: every node's own store is one, under the store's identity."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.node import Node


@dataclass(frozen=True, kw_only=True)
class Pool:
    id: str
    node: Node

    @classmethod
    def of(cls, node: Node) -> Pool:
        return cls(id=pool_id(node), node=node)


def pool_id(node: Node) -> str:
    """The store's identity; a node of the old contract, which does not tell it, stands for its store."""
    return node.store_id or node.id
