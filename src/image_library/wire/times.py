"""Moments on the wire: UTC timestamps, absent where there is no moment."""

from __future__ import annotations

from datetime import UTC, datetime

from protobuf.wkt import Timestamp


def time_to_wire(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else Timestamp.from_datetime(moment)


def time_from_wire(stamp: Timestamp | None) -> datetime | None:
    return None if stamp is None else stamp.to_datetime().replace(tzinfo=UTC)
