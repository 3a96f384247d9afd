"""Asking publishers what is newest. Nodes do it: they are the ones who fetch."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.node import Node
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion


class Publishers(Protocol):
    async def ask(self, node: Node, question: PublisherQuestion) -> PublisherAnswer:
        """What the publisher offers now, as far as this node hears.

        Raises:
            NodeUnreachable: the node does not answer.
            NotImplementedYet: the node is too old to ask.
            The node's own errors: the publisher does not tell.
        """
        ...
