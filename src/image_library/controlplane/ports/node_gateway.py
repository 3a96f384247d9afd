"""Speaking to the nodes about images. What a node was asked to do goes on there when the talk breaks off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from image_library.domain.garbage import GarbageItem, GarbageOrder
from image_library.domain.inventory import Inventory
from image_library.domain.node import Node
from image_library.domain.store import Download, DownloadOrder


class NodeGateway(Protocol):
    """Every method raises ``NodeUnreachable`` when the node does not answer, and the node's own errors."""

    async def identify(self, endpoint: str) -> str:
        """The id of the node that answers there."""
        ...

    def download(self, node: Node, order: DownloadOrder) -> AsyncGenerator[Download]:
        """Start it, or join it, and follow it to its end; the last value is the end's."""
        ...

    async def cancel_download(self, node: Node, job_id: str) -> None:
        """Ask for its end; cancelling what has ended or is not there succeeds."""
        ...

    async def collect_garbage(self, node: Node, order: GarbageOrder) -> tuple[GarbageItem, ...]:
        """Let the node remove what nothing needs there, or only say what that is."""
        ...

    async def resume_store(self, node: Node) -> None:
        """Let the node write to its degraded store again; it tries that first."""
        ...

    async def scan(self, node: Node) -> Inventory:
        """Let the node look through its image folder now."""
        ...

    async def remove_image(self, node: Node, digest: str) -> None:
        """Let the node remove its published copy; removing what is not there succeeds."""
        ...
