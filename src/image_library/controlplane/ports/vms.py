"""The VMs that are known, the nodes that run them, and the emitter of their documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from image_library.domain.generalisation import AuditReport
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest
from image_library.domain.preflight import Problem
from image_library.domain.vm import PowerState, Vm, VmReport
from image_library.domain.vm_disk import DiskTaskKind


@dataclass(frozen=True, kw_only=True)
class VmFilter:
    """Which VMs to list; empty values filter nothing, and every label must match.

    VMs on one of ``away`` count as LOST, whatever was last heard of them, unless they are still PROVISIONING.
    """

    project_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    states: frozenset[PowerState] = frozenset()
    node_id: str = ""
    away: frozenset[str] = frozenset()


class Vms(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def get(self, vm_id: str) -> Vm | None: ...

    async def named(self, name: str, project_id: str = "") -> tuple[Vm, ...]:
        """VMs with this name, in capitals or not; an empty project means any."""
        ...

    async def on_node(self, node_id: str) -> tuple[Vm, ...]:
        """Every VM that was given to that node."""
        ...

    async def in_state(self, state: PowerState) -> tuple[Vm, ...]:
        """Oldest first."""
        ...

    async def using(self, image_id: str) -> tuple[Vm, ...]:
        """VMs whose disks, snapshots or second discs are, or will be, built on or of that image; by name."""
        ...

    async def list(self, matching: VmFilter, page: PageRequest) -> Page[Vm]:
        """Newest first; states as they were stored."""
        ...

    async def save(self, vm: Vm) -> None:
        """Adds or replaces it.

        Raises:
            NameTaken: another VM of the project has its name.
        """
        ...

    async def remove(self, vm_id: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ConsolePiece:
    """Bytes of a serial console and the offset of the first of them."""

    offset: int
    data: bytes = field(repr=False)


class NodeVms(Protocol):
    """Speaking to the nodes about VMs.

    Every method raises ``NodeUnreachable`` when the node does not answer, and the node's own errors.
    """

    async def create(self, node: Node, vm: Vm) -> None:
        """Let the node make disk and seed. The same VM again is no error and changes nothing."""
        ...

    async def start(self, node: Node, vm_id: str) -> None: ...

    async def stop(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        """Ask the guest, wait until it has stopped, and insist after the timeout."""
        ...

    async def force_stop(self, node: Node, vm_id: str) -> None: ...

    async def delete(self, node: Node, vm_id: str) -> None:
        """Stops it if it runs and removes its files; deleting what is not there succeeds."""
        ...

    async def flatten(self, node: Node, vm_id: str) -> None:
        """Let the node give a stopped VM a disk that needs no image. One that has it is left as it is."""
        ...

    async def reboot(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        """Stop it, as ``stop`` does, and start it."""
        ...

    async def grow_disk(self, node: Node, vm_id: str, size_bytes: int) -> VmReport:
        """Also while it runs."""
        ...

    async def begin_disk_task(
        self, node: Node, vm_id: str, kind: DiskTaskKind, subject: str = ""
    ) -> VmReport:
        """Begin long work on a stopped VM's disk; ``subject`` as in ``DiskTask``."""
        ...

    async def cancel_disk_task(self, node: Node, vm_id: str) -> VmReport: ...

    async def delete_snapshot(self, node: Node, vm_id: str, name: str) -> VmReport: ...

    async def audit(self, node: Node, vm_id: str) -> AuditReport:
        """What of the VM's own is on its disk."""
        ...

    async def status(self, node: Node, vm_id: str) -> VmReport: ...

    def watch(self, node: Node, vm_id: str) -> AsyncGenerator[VmReport]:
        """The current state at once, then every change; ends when the VM is deleted there."""
        ...

    def read_console(
        self, node: Node, vm_id: str, *, offset: int, follow: bool
    ) -> AsyncGenerator[ConsolePiece]: ...


class ConfigSchema(Protocol):
    """What cloud-init would say of a cloud-config."""

    def problems(self, document: Mapping[str, Any]) -> tuple[Problem, ...]: ...


class AnswerFiles(Protocol):
    """Answer files of Windows Setup."""

    def judge(self, text: str) -> None:
        """Raises: InvalidUserData: ``text`` is none, or XML that is not safe to read."""
        ...


class Documents(Protocol):
    """Documents as text, and text as documents."""

    def emit(self, document: Mapping[str, Any], *, header: str = "") -> str:
        """The document as text that reads back as the same document; ``header`` becomes its first line."""
        ...

    def read(self, text: str, *, field: str) -> dict[str, Any]:
        """The mapping that ``text`` holds.

        Raises:
            InvalidUserData: it is not YAML, not a mapping, or expands beyond measure.
        """
        ...
