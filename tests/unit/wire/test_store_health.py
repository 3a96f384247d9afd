"""The health of a node's store, there and back; and what a node says in words that are unknown here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from image_library.domain.node import Heartbeat
from image_library.domain.store_health import Damage, Degradation, ScrubState, Trouble
from image_library.wire.heartbeat import heartbeat_from_wire, heartbeat_to_wire
from image_library.wire.store_health import degradation_from_wire
from limiquantix.compute.v1 import node_pb as pb

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SCRUB = ScrubState(
    reading="debian-12.qcow2",
    digest="sha256:ab",
    done=1 << 33,
    total=1 << 34,
    gives_way=True,
    due=3,
    done_at=NOON,
    last_damage=Damage(digest="sha256:cd", name="old.qcow2", found_at=NOON),
)


def test_a_heartbeat_arrives_as_it_was_said() -> None:
    failing = Degradation(trouble=Trouble.FAILING, reason="A sync failed.", since=NOON)
    for said in (
        Heartbeat(node_id="n1"),
        Heartbeat(node_id="n1", degraded=failing, scrub=SCRUB),
        Heartbeat(node_id="n1", scrub=ScrubState(next_at=NOON)),
        Heartbeat(node_id="n1", degraded=replace(failing, trouble=Trouble.READ_ONLY)),
    ):
        assert heartbeat_from_wire(heartbeat_to_wire(said)) == said


def test_an_unknown_trouble_is_the_worse_one_and_its_words_are_shown_safely() -> None:
    heard = degradation_from_wire(pb.StoreDegradation(trouble="melted", reason="\x1b[2J" + "x" * 5000))
    assert heard is not None
    assert heard.trouble is Trouble.FAILING
    assert "\x1b" not in heard.reason
    assert len(heard.reason) == 500
