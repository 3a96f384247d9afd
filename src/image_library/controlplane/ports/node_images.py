"""Reading images that nodes have."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from image_library.domain.node import Node
from image_library.domain.placing import Check


class NodeImages(Protocol):
    """Raises ``NodeUnreachable`` when the node does not answer, and the node's own errors."""

    def read(self, node: Node, digest: str, *, offset: int, length: int) -> AsyncGenerator[bytes]:
        """``length`` bytes of the image "sha256:HEX" from ``offset`` on."""
        ...


class NodeChecks(Protocol):
    """Raises as ``NodeImages`` does."""

    def verify(self, node: Node, digest: str) -> AsyncGenerator[Check]:
        """Let the node read all bytes of the image "sha256:HEX" again; the last one said has a result."""
        ...
