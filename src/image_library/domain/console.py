"""A VM's consoles: which there are, what bounds them, and what of an old screen may be shown again."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum

# A ticket is asked for by the very program that uses it.
TICKET_LIFE = timedelta(seconds=30)
LARGEST_FRAME = 64 << 10
# What is shown at the beginning, so that a screen is not empty.
TAIL_BYTES = 8 << 10
# A reader that is further behind the guest than this skips.
LARGEST_LAG = 1 << 20
MOST_CONSOLES = 64
IDLE_SECONDS = 1800.0

# What a terminal answers as if somebody typed. Source: ECMA-48 (DA, DSR, ENQ), xterm's control sequences.
_ASKING = re.compile(rb"\x05|\x1bZ|\x1b\[[0-?]*[ -/]*[cnptqx]|\x1b[P\]_^X][^\x07\x1b]*(?:\x07|\x1b\\)?")


class ConsoleKind(Enum):
    SERIAL = "serial"
    # What a screen and a keyboard at the machine would show and take.
    DISPLAY = "display"


def shown_again(tail: bytes) -> bytes:
    """The end of what a guest wrote, from a line's beginning on, without what a terminal would answer."""
    start = tail.find(b"\n") + 1 if len(tail) >= TAIL_BYTES else 0
    return _ASKING.sub(b"", tail[start:])
