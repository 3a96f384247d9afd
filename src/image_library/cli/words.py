"""The words that tables and messages use for states, times and levels on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum

from protobuf.wkt import Timestamp

from image_library.cli.sizes import shown_seconds
from limiquantix.storage.v1.trust_pb import TrustLevel

TRUST = {
    TrustLevel.UNVERIFIED: "unverified",
    TrustLevel.CHECKSUM: "checksum",
    TrustLevel.PINNED: "pinned",
    TrustLevel.SIGNED: "signed",
}


def state(value: IntEnum | int) -> str:
    """A state's name in small letters; a number that this version does not know stays a number."""
    return value.name.lower().replace("_", " ") if isinstance(value, IntEnum) else f"state {int(value)}"


def trust(level: TrustLevel | int) -> str:
    return next((word for known, word in TRUST.items() if known == level), "-")


def ago(moment: Timestamp | None, *, now: datetime | None = None) -> str:
    """How long ago, in words; '-' where it is not known."""
    if moment is None or not moment.seconds:
        return "-"
    passed = (now or datetime.now(UTC)).timestamp() - moment.seconds
    return "now" if passed < 1 else f"{shown_seconds(passed)} ago"


def at(moment: Timestamp | None) -> str:
    """The moment in ISO 8601, UTC; empty where it is not known."""
    if moment is None or not moment.seconds:
        return ""
    try:
        return datetime.fromtimestamp(moment.seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""
