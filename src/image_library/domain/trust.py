"""How far an image's bytes were proved to be the publisher's, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class TrustLevel(IntEnum):
    """Higher proves more; the numbers are those of the wire."""

    UNVERIFIED = 1
    CHECKSUM = 2
    PINNED = 3
    SIGNED = 4


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was compared with what. Stored in the transaction that makes an image READY."""

    level: TrustLevel
    algorithm: str = ""
    expected: str = ""
    actual: str = ""
    source: str = ""
    # Of the publisher's key that signed what the digest was read from, and whose key it is.
    key_fingerprint: str = ""
    key_owner: str = ""
    verified_at: datetime | None = None
    node_id: str = ""
