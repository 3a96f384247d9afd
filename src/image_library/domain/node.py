"""A node: a machine that keeps images and runs VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.vm import VmReport


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
    version: str = ""
    store_id: str = ""
    phase: NodePhase = NodePhase.PENDING
    error_message: str = ""
    running_vm_count: int = 0
    disk_used_bytes: int = 0
    disk_total_bytes: int = 0
    last_heartbeat: datetime | None = None
    # The library's number of its last change; given by the database.
    sequence: int = field(default=0, compare=False)
    created_at: datetime
    updated_at: datetime

    @property
    def is_ready(self) -> bool:
        return self.phase is NodePhase.READY

    @property
    def free_bytes(self) -> int:
        return max(0, self.disk_total_bytes - self.disk_used_bytes)

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
    version: str = ""
    store_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """What a node says regularly. With ``vms_complete``, a VM that it does not name is not there."""

    node_id: str
    running_vm_count: int = 0
    disk_used_bytes: int = 0
    disk_total_bytes: int = 0
    vms: tuple[VmReport, ...] = ()
    vms_complete: bool = False
