"""How well a node's store is: whether it may be written, and what reading it again has found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from image_library.domain.errors import StoreDegraded

_REMEDIES = {
    "failing": "Check the disk and the kernel's log; then 'limiquantix nodes resume {node}'.",
    "read-only": "Make the file system writable again; the node notices by itself.",
}


class Trouble(Enum):
    """Why nothing new is written to a store; each value is also its word on the wire."""

    # A write or a sync failed once. What the page cache shows is not to be believed: an operator decides.
    FAILING = "failing"
    READ_ONLY = "read-only"


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """A store that is read and not written."""

    trouble: Trouble
    # A sentence.
    reason: str
    since: datetime

    @property
    def words(self) -> str:
        return f"degraded ({self.trouble.value}): {self.reason}"

    def refusal(self, node: str) -> StoreDegraded:
        """Why ``node``, by its name, takes no new work."""
        return StoreDegraded(
            f"The store of node {node} is {self.words}",
            remedy=_REMEDIES[self.trouble.value].format(node=node),
            field="node_id",
        )

    def awaited(self, node: str) -> str:
        """What a job waits for whose node is ``node``."""
        return f"node {node}, whose store is {self.words}"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A blob whose bytes were found changed."""

    # "sha256:HEX", what they should have been.
    digest: str
    # The readable name that it had.
    name: str = ""
    found_at: datetime


@dataclass(frozen=True, kw_only=True)
class ScrubState:
    """What a node reads again, and how far it is. Bytes are counts."""

    # The readable name of the blob that is being read; empty: none.
    reading: str = ""
    digest: str = ""
    done: int = 0
    total: int = 0
    # It reads slowly, since others move bytes.
    gives_way: bool = False
    # Images whose turn it is, the one that is being read among them.
    due: int = 0
    # When all of those will be read, at the rate of now; None: nothing is due.
    done_at: datetime | None = None
    # Whose turn comes next, where nothing is due; None: there are no images.
    next_at: datetime | None = None
    last_damage: Damage | None = None

    @property
    def percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total > 0 else 0
