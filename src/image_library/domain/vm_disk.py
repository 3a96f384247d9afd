"""A VM's disk over its life: what it shows, what was kept of it, and what is being done to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from image_library.domain.errors import DiskShrinks, InvalidRequest, printable
from image_library.domain.image import Failure

GIB = 1 << 30

# How long the disk is kept that a VM had before it was rebased.
KEEP_BEFORE_REBASE = timedelta(days=14)
MOST_SNAPSHOTS = 64

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class DiskTaskKind(Enum):
    """Work on a disk that may take long. All but the last are of a stopped VM, and take what they make."""

    FLATTEN = "flatten"
    REBASE = "rebase"
    SNAPSHOT = "snapshot"
    REVERT = "revert"
    # A running VM stands still while its disk is copied for a template.
    CAPTURE = "capture"


class DiskTaskState(Enum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class DiskTask:
    """The work that goes on, or the last that ended. ``subject``: a snapshot's name or an image's digest."""

    kind: DiskTaskKind
    state: DiskTaskState = DiskTaskState.RUNNING
    percent: int = 0
    subject: str = ""
    failure: Failure | None = None

    @property
    def live(self) -> bool:
        return self.state is DiskTaskState.RUNNING


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A disk as it was. ``size_bytes`` is what a guest saw; without ``base_digest`` it needs no image."""

    name: str
    created_at: datetime
    size_bytes: int
    base_digest: str = ""
    # Bytes that its file took on the node's disk when it was made; blocks may be shared with the VM's disk.
    stored_bytes: int = 0
    # Removed by the node after this; None: kept until somebody deletes it.
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DiskReport:
    """What a node says of a VM's disk. ``base_digest`` is empty where it needs no image of the library."""

    size_bytes: int
    base_digest: str = ""
    flat: bool = False
    snapshots: tuple[Snapshot, ...] = ()
    task: DiskTask | None = None

    @property
    def digests(self) -> frozenset[str]:
        """Of every image that it or a snapshot needs."""
        return frozenset({self.base_digest, *(s.base_digest for s in self.snapshots)} - {""})


def valid_snapshot_name(name: str) -> str:
    """``name`` if a snapshot may have it.

    Raises:
        InvalidRequest: it is empty, too long or has other characters than letters, digits, '.', '_' and '-'.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"'{printable(name)}' is no name for a snapshot.",
            remedy="Use at most 63 letters, digits, '.', '_' and '-', a letter or digit first.",
            field="name",
        )
    return name


def judge_growth(now: int, wanted: int) -> None:
    """Raises DiskShrinks where ``wanted`` bytes are fewer than the disk has ``now``."""
    if wanted < now:
        raise DiskShrinks(
            f"The disk has {now / GIB:g} GiB already, which is more than the {wanted / GIB:g} GiB asked for.",
            field="size_gib",
        )
