"""A node: a machine that keeps images and runs VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.capabilities import told
from image_library.domain.store_health import Degradation, ScrubState
from image_library.domain.vm import VmReport

MOST_PAST_EPOCHS = 8


class NodePhase(Enum):
    PENDING = "pending"
    READY = "ready"
    NOT_READY = "not_ready"
    OFFLINE = "offline"


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    hostname: str
    management_ip: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    # HOST:PORT of its gRPC service.
    agent_endpoint: str = ""
    architecture: str = ""
    accelerator: str = ""
    # What its hypervisor can give VMs, in the words of ``domain.capabilities``; none: it has not said.
    capabilities: tuple[str, ...] = ()
    version: str = ""
    store_id: str = ""
    phase: NodePhase = NodePhase.PENDING
    error_message: str = ""
    running_vm_count: int = 0
    disk_used_bytes: int = 0
    disk_total_bytes: int = 0
    # Its store is read and not written.
    degraded: Degradation | None = None
    # None: it reads nothing again, or has not said so.
    scrub: ScrubState | None = None
    last_heartbeat: datetime | None = None
    # Of the last complete inventory that was reconciled; an older report of the same epoch says nothing new.
    inventory_epoch: str = ""
    inventory_sequence: int = 0
    # The last epochs before that: what still arrives of them is too late.
    past_epochs: tuple[str, ...] = ()
    # The library's number of its last change; given by the database.
    sequence: int = field(default=0, compare=False)
    created_at: datetime
    updated_at: datetime

    @property
    def is_ready(self) -> bool:
        return self.phase is NodePhase.READY

    def can(self, wanted: frozenset[str]) -> bool:
        """Whether it has all of it, or has not said what it has."""
        return not self.capabilities or wanted <= told(self.capabilities)

    @property
    def takes_images(self) -> bool:
        """Whether it is there and its store may be written."""
        return self.is_ready and self.degraded is None

    @property
    def free_bytes(self) -> int:
        return max(0, self.disk_total_bytes - self.disk_used_bytes)

    def has_heard(self, epoch: str, sequence: int) -> bool:
        """Whether a report with these numbers was reconciled, or is older. Old clients number nothing."""
        if epoch == self.inventory_epoch:
            return bool(epoch) and sequence <= self.inventory_sequence
        return epoch in self.past_epochs

    def with_inventory(self, epoch: str, sequence: int) -> Node:
        """The node once this report of it was reconciled."""
        past = self.past_epochs
        if self.inventory_epoch not in ("", epoch):
            past = (*past, self.inventory_epoch)[-MOST_PAST_EPOCHS:]
        return self.evolve(inventory_epoch=epoch, inventory_sequence=sequence, past_epochs=past)

    def evolve(self, **changes: Any) -> Node:
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a node says of itself when it starts. An empty id: the control plane makes one."""

    node_id: str = ""
    hostname: str
    management_ip: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    # HOST:PORT of its gRPC service.
    agent_endpoint: str
    architecture: str = ""
    accelerator: str = ""
    capabilities: tuple[str, ...] = ()
    version: str = ""
    store_id: str = ""
    # Stores of this node that its operator has given up.
    replaces_store_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InventoryMark:
    """How far a node's reports have been reconciled: what the control plane answers to a registration."""

    epoch: str = ""
    sequence: int = 0


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """What a node says regularly. With ``vms_complete``, a VM that it does not name is not there."""

    node_id: str
    running_vm_count: int = 0
    disk_used_bytes: int = 0
    disk_total_bytes: int = 0
    vms: tuple[VmReport, ...] = ()
    vms_complete: bool = False
    # Why the node cannot be relied on now, in a sentence; empty: nothing is wrong.
    error_message: str = ""
    degraded: Degradation | None = None
    scrub: ScrubState | None = None
