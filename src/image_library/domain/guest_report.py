"""What a guest says of itself: a report at the end of its first boot, and what failed on the way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from image_library.domain.errors import printable

MOST_FAILURES = 10
MOST_LINES = 30
LONGEST_LINE = 300
DOOR_HOST = "10.0.2.100"

# Also by another way than the usual one, where what follows is as long as a token.
_DOOR_URL = re.compile(
    rf"(http://{re.escape(DOOR_HOST)}|https?://[^\s/]+(?=/[A-Za-z0-9_-]{{43}}(?![A-Za-z0-9_-])))/\S*"
)


@dataclass(frozen=True, kw_only=True)
class GuestReport:
    """All of it is the guest's own word; the keys are judged, the rest is text."""

    instance_id: str = ""
    hostname: str = ""
    # Its SSH server's, each as "ALGORITHM BASE64".
    host_keys: tuple[str, ...] = ()
    reported_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ModuleFailure:
    """What was said when one of cloud-init's modules failed, in the order in which it came."""

    module: str
    lines: tuple[str, ...]


def with_lines(
    failures: tuple[ModuleFailure, ...], module: str, lines: Iterable[str]
) -> tuple[ModuleFailure, ...]:
    """With these lines of that module: each once, the first ones kept, all of them bounded."""
    name = printable(module.replace("_", "-"), 64)
    known = {failure.module: failure.lines for failure in failures}
    if name not in known and len(known) >= MOST_FAILURES:
        return failures
    cleaned = (shown_line(line) for line in lines)
    joined = tuple(dict.fromkeys((*known.get(name, ()), *(line for line in cleaned if line))))
    known[name] = joined[:MOST_LINES]
    return tuple(ModuleFailure(module=module, lines=said) for module, said in known.items())


def shown_line(line: str) -> str:
    """A guest's line as it may be shown: nothing that moves a cursor, no token, of bearable length."""
    return printable(_DOOR_URL.sub(r"\1/(hidden)", line.rstrip()), LONGEST_LINE)
