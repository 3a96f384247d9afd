"""Facts from inside images on the wire."""

from __future__ import annotations

from image_library.domain.guest_facts import Difference, GuestFacts, tidy
from limiquantix.storage.v1 import facts_pb as pb

# A node that was broken into may say anything; more than this is no fact of a guest.
_MOST_WORDS = 32


def guest_to_wire(facts: GuestFacts | None) -> pb.GuestFacts | None:
    if facts is None:
        return None
    return pb.GuestFacts(
        distribution=facts.distribution,
        version=facts.version,
        pretty_name=facts.pretty_name,
        architecture=facts.architecture,
        default_user=facts.default_user,
        cloud_init=facts.cloud_init,
        datasources=list(facts.datasources),
        guest_agent=facts.guest_agent,
        firmware=list(facts.firmware),
        root_filesystem=facts.root_filesystem,
        reason=facts.reason,
        read=facts.read,
    )


def guest_from_wire(message: pb.GuestFacts | None) -> GuestFacts | None:
    """What a node says that it found; its texts are made fit for messages and tables."""
    if message is None:
        return None
    return GuestFacts(
        distribution=tidy(message.distribution),
        version=tidy(message.version),
        pretty_name=tidy(message.pretty_name),
        architecture=tidy(message.architecture),
        default_user=tidy(message.default_user),
        cloud_init=message.cloud_init,
        datasources=tuple(map(tidy, message.datasources[:_MOST_WORDS])),
        guest_agent=message.guest_agent,
        firmware=tuple(map(tidy, message.firmware[:_MOST_WORDS])),
        root_filesystem=tidy(message.root_filesystem),
        reason=tidy(message.reason),
        read=message.read,
    )


def difference_to_wire(difference: Difference) -> pb.FactDifference:
    return pb.FactDifference(
        field=difference.field,
        declared=difference.declared,
        found=difference.found,
        message=difference.message,
    )
