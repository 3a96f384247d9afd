"""What a setting is: one row of the table."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_PROGRAM = ("up", "controlplane", "node")
SERVERS = ("up", "controlplane")
WITH_NODE = ("up", "node")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table. ``kind`` is text, list, flag, path, size, number, or the words it may be, with |.

    A number needs no more than its row and a field of the same name in the program's own Settings; an
    empty option means that it has none.
    """

    name: str
    kind: str
    option: str = ""
    variable: str
    default: str
    meaning: str
    programs: tuple[str, ...] = EVERY_PROGRAM
