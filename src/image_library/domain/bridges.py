"""Bridges of nodes that VMs' network cards can be on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from image_library.domain.errors import InvalidRequest, printable

# How a card's network_id says it; any other id stands for a network of its own behind the node.
PREFIX = "bridge:"
# Bridges that one node lets VMs onto.
MOST_BRIDGES = 16
# IFNAMSIZ is 16 with its zero. Linux takes more; these can be said everywhere without quoting.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")


def is_bridge_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name))


def bridge_of(network_id: str) -> str:
    """The bridge that a network id names; empty where it names none.

    Raises:
        InvalidRequest: it cannot be a bridge's name.
    """
    if not network_id.startswith(PREFIX):
        return ""
    return valid_bridge(network_id.removeprefix(PREFIX))


def valid_bridge(name: str) -> str:
    """Raises: InvalidRequest."""
    if not is_bridge_name(name):
        raise InvalidRequest(
            f"'{printable(name)}' cannot be a bridge's name.",
            remedy="Use the name that 'ip link show type bridge' shows on the node: bridge:br0.",
            field="spec.nics.network_id",
        )
    return name


def network_id_of(bridge: str) -> str:
    """The id that ``bridge_of`` takes; empty where there is no bridge."""
    return f"{PREFIX}{bridge}" if bridge else ""


def word_of(bridge: str) -> str:
    """The word in a node's capabilities."""
    return f"{PREFIX}{bridge}"


def trimmed(bridges: Iterable[str]) -> tuple[str, ...]:
    """Without what stands for nothing at the end: VMs without bridges are as they always were."""
    kept = list(bridges)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)
