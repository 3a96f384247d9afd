"""What a node says it has in its image folder. It is judged before anything is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from image_library.domain.guest_facts import GuestFacts
from image_library.domain.os_info import OsInfo


@dataclass(frozen=True, kw_only=True)
class ReportedImage:
    """One file of a node's report, as it was said: nothing of it is checked yet."""

    path: str
    filename: str
    size_bytes: int = 0
    virtual_size_bytes: int = 0
    # The format's name; unknown names are possible.
    format: str = ""
    # "sha256:HEX" of a published image; empty for an operator's file.
    checksum: str = ""
    detected_os: OsInfo = OsInfo()
    # Read from inside it; None where nobody has looked.
    found: GuestFacts | None = None
    modified_at: datetime | None = None
    # When all its bytes were last read and found right; None: unknown.
    verified_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DamagedImage:
    """A copy whose bytes were not what they should be when they were last read; it was put aside."""

    # "sha256:HEX" that they should have, and that they have.
    checksum: str
    actual: str = ""
    found_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A node's report. With ``complete``, what it does not name is not there."""

    node_id: str
    store_id: str = ""
    images: tuple[ReportedImage, ...] = ()
    damaged: tuple[DamagedImage, ...] = ()
    # Files that could not be read, one sentence each.
    errors: tuple[str, ...] = ()
    complete: bool = False
    # Grows with every report while the node remembers; with another epoch it has begun anew.
    sequence: int = 0
    epoch: str = ""
