"""A VM's consoles: which there are, what bounds them, and what of an old screen may be shown again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from image_library.domain.secret import NOTHING, Secret

# A ticket is asked for by the very program that uses it.
TICKET_LIFE = timedelta(seconds=30)
LARGEST_FRAME = 64 << 10
# What is shown at the beginning, so that a screen is not empty.
TAIL_BYTES = 8 << 10
# A reader that is further behind the guest than this skips.
LARGEST_LAG = 1 << 20
MOST_CONSOLES = 64
IDLE_SECONDS = 1800.0
# All that DES, by which RFB proves a password, looks at. Source: RFC 6143, section 7.2.2.
PASSWORD_CHARACTERS = 8
# Some viewers ask a person for it.
PASSWORD_SECONDS = 30
# Until a password has been tried, a display's server has sent no more than this: its version (12), how one
# authenticates (2 or 4), a challenge (16). Source: RFC 6143, sections 7.1.1, 7.1.2, 7.2.2 and A.1.
BEFORE_PASSWORD_BYTES = 32

# What a terminal answers as if somebody typed. Source: ECMA-48 (DA, DSR, ENQ), xterm's control sequences.
_ASKING = re.compile(rb"\x05|\x1bZ|\x1b\[[0-?]*[ -/]*[cnptqx]|\x1b[P\]_^X][^\x07\x1b]*(?:\x07|\x1b\\)?")


class ConsoleKind(Enum):
    SERIAL = "serial"
    # What a screen and a keyboard at the machine would show and take.
    DISPLAY = "display"


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What one ticket opens."""

    kind: ConsoleKind
    # What a display's server will ask for.
    password: Secret = field(default=NOTHING)


def shown_again(tail: bytes) -> bytes:
    """The end of what a guest wrote, from a line's beginning on, without what a terminal would answer."""
    start = tail.find(b"\n") + 1 if len(tail) >= TAIL_BYTES else 0
    return _ASKING.sub(b"", tail[start:])
