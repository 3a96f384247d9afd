"""How much a random test does: little in every run, much where a long run is asked for."""

from __future__ import annotations

import os

LONG = bool(os.environ.get("LIMIQUANTIX_TEST_LONG"))


def size(usual: int, long: int) -> int:
    return long if LONG else usual
