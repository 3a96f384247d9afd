"""Speaking to the nodes about consoles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from image_library.domain.console import Admission
from image_library.domain.node import Node
from image_library.domain.picture import Picture


class NodeConsoles(Protocol):
    def attach(
        self, node: Node, vm_id: str, admission: Admission, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        """What the guest writes, or its display's server, until ``typed`` ends, which must not raise.

        Raises:
            UnknownVm, VmNotRunning, ConsoleMissing: the node's own; VmNotRunning also when the VM stops.
            ConsoleTicket: nobody gave the display's password in time.
            NodeUnreachable: the node does not answer.
        """
        ...

    async def check_display(self, node: Node, vm_id: str) -> None:
        """Raises: UnknownVm, VmNotRunning, ConsoleMissing: it shows nothing; NodeUnreachable."""
        ...

    async def screenshot(self, node: Node, vm_id: str) -> Picture:
        """What its display shows. Raises as ``check_display``, and HypervisorFailed."""
        ...
