"""The control plane as a node sees it, and what it asks of its own VMs to tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from image_library.domain.inventory import Inventory
from image_library.domain.node import Heartbeat, InventoryMark, Registration
from image_library.domain.vm import VmReport


@dataclass(frozen=True, kw_only=True)
class HeartbeatAnswer:
    # False: the control plane does not know this node any more.
    acknowledged: bool
    # Seconds to the next one; 0: as before.
    interval: float
    # It wants to know all that is here.
    inventory_wanted: bool = False


class ControlPlane(Protocol):
    """Every call raises a LibraryError when the control plane does not answer or refuses."""

    async def register(self, registration: Registration) -> InventoryMark:
        """Make this node known; which of its reports was reconciled last."""
        ...

    async def report(self, inventory: Inventory) -> None: ...

    async def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer: ...


class VmReports(Protocol):
    """The node's VMs, as its hypervisor knows them now."""

    def reports(self) -> tuple[VmReport, ...]: ...
