"""What nothing needs any more, and what is remembered of images that were deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum


class GarbageKind(Enum):
    """Each value is also its word on the wire."""

    PART = "part"
    BLOB = "blob"
    LINK = "link"
    VM = "vm"
    RECORD = "record"
    TOMBSTONE = "tombstone"
    REMOVAL = "removal"


@dataclass(frozen=True, kw_only=True)
class GarbageItem:
    kind: GarbageKind
    name: str
    # Empty: the control plane's own.
    node_id: str = ""
    bytes: int = 0
    # Why nothing needs it.
    reason: str


@dataclass(frozen=True, kw_only=True)
class GarbageOrder:
    """What a node is to look for.

    With ``complete``, ``known`` names every digest that the library has there: other blobs, and folders of
    VMs that the node does not know, may go too.
    """

    dry_run: bool = False
    known: frozenset[str] = frozenset()
    complete: bool = False


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """An image that was deleted: a node that comes back with its bytes is told to remove them."""

    # "sha256:HEX".
    digest: str
    image_id: str
    name: str
    deleted_at: datetime
    # Nodes that have not removed it yet.
    waiting: frozenset[str] = frozenset()
    # When the last node had removed it; None while one is waited for.
    cleared_at: datetime | None = None

    def waits_for(self, *node_ids: str) -> Tombstone:
        """The tombstone once these nodes, too, have still to remove the bytes."""
        waiting = self.waiting | frozenset(node_ids)
        return replace(self, waiting=waiting, cleared_at=None if waiting else self.cleared_at)

    def cleared_by(self, node_id: str, now: datetime) -> Tombstone:
        """The tombstone once that node has removed the bytes."""
        waiting = self.waiting - {node_id}
        return replace(self, waiting=waiting, cleared_at=None if waiting else now)
