"""The health of a node's store on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from image_library.domain.errors import printable
from image_library.domain.store_health import Damage, Degradation, ScrubState, Trouble
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.compute.v1 import node_pb as pb

_TROUBLES = {trouble.value: trouble for trouble in Trouble}
_LONGEST_REASON = 500
_LONGEST_NAME = 255


def degradation_to_wire(degraded: Degradation | None) -> pb.StoreDegradation | None:
    if degraded is None:
        return None
    return pb.StoreDegradation(
        trouble=degraded.trouble.value, reason=degraded.reason, since=time_to_wire(degraded.since)
    )


def degradation_from_wire(message: pb.StoreDegradation | None) -> Degradation | None:
    """A node's word; a trouble that is unknown here is the worse one."""
    if message is None:
        return None
    return Degradation(
        trouble=_TROUBLES.get(message.trouble, Trouble.FAILING),
        reason=printable(message.reason, _LONGEST_REASON),
        since=time_from_wire(message.since) or datetime.fromtimestamp(0, UTC),
    )


def scrub_to_wire(scrub: ScrubState | None) -> pb.ScrubState | None:
    if scrub is None:
        return None
    damage = scrub.last_damage
    return pb.ScrubState(
        reading=scrub.reading,
        digest=scrub.digest,
        bytes_done=scrub.done,
        bytes_total=scrub.total,
        gives_way=scrub.gives_way,
        due=scrub.due,
        done_at=time_to_wire(scrub.done_at),
        next_at=time_to_wire(scrub.next_at),
        last_damage=pb.DamageFound(
            digest=damage.digest, name=damage.name, found_at=time_to_wire(damage.found_at)
        )
        if damage
        else None,
    )


def scrub_from_wire(message: pb.ScrubState | None) -> ScrubState | None:
    if message is None:
        return None
    return ScrubState(
        reading=printable(message.reading, _LONGEST_NAME),
        digest=printable(message.digest, _LONGEST_NAME),
        done=message.bytes_done,
        total=message.bytes_total,
        gives_way=message.gives_way,
        due=message.due,
        done_at=time_from_wire(message.done_at),
        next_at=time_from_wire(message.next_at),
        last_damage=_damage(message.last_damage),
    )


def _damage(message: pb.DamageFound | None) -> Damage | None:
    found_at = time_from_wire(message.found_at) if message else None
    if message is None or found_at is None:
        return None
    return Damage(
        digest=printable(message.digest, _LONGEST_NAME),
        name=printable(message.name, _LONGEST_NAME),
        found_at=found_at,
    )
