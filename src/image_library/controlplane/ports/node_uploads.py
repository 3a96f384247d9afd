"""Sending uploads on to the nodes that keep them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from image_library.domain.node import Node


class NodeUploads(Protocol):
    """Every method raises ``NodeUnreachable`` when the node does not answer, and the node's own errors."""

    async def open(self, node: Node, job_id: str, *, size: int, algorithm: str) -> int:
        """Let the node promise the space; how many bytes it has already."""
        ...

    async def write(self, node: Node, job_id: str, *, offset: int, blocks: AsyncIterator[bytes]) -> int:
        """Send the blocks as they come; how many bytes the node has then."""
        ...
