"""Moments on the wire: UTC timestamps, absent where there is no moment."""

from __future__ import annotations

from datetime import UTC, datetime

from protobuf.wkt import Timestamp


def time_to_wire(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else Timestamp.from_datetime(moment)


def rfc3339(moment: datetime) -> str:
    """The moment as text, to the second, for fields that are strings."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_from_wire(stamp: Timestamp | None) -> datetime | None:
    return None if stamp is None else stamp.to_datetime().replace(tzinfo=UTC)
