"""Speaking to the nodes about consoles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from image_library.domain.console import ConsoleKind
from image_library.domain.node import Node


class NodeConsoles(Protocol):
    def attach(
        self, node: Node, vm_id: str, kind: ConsoleKind, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        """What the guest writes, until ``typed`` ends, which must not raise.

        Raises:
            UnknownVm, VmNotRunning, ConsoleMissing: the node's own; VmNotRunning also when the VM stops.
            NodeUnreachable: the node does not answer.
        """
        ...
