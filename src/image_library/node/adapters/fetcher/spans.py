"""What of a file is here or on its way, and which part of it to ask for next."""

from __future__ import annotations

from collections.abc import Iterable

# From this byte up to that one.
Span = tuple[int, int]


def next_gap(begin: int, taken: Iterable[Span], end: int, *, most: int) -> Span | None:
    """The first bytes from ``begin`` up to ``end`` that nobody has taken, ``most`` of them at most."""
    at = begin
    for its_begin, its_end in sorted(taken):
        if its_begin > at:
            end = min(its_begin, end)
            break
        at = max(at, its_end)
    return (at, min(end, at + most)) if at < end else None


def left(begin: int, taken: Iterable[Span], end: int) -> int:
    """How many bytes from ``begin`` up to ``end`` nobody has taken."""
    at, count = begin, 0
    for its_begin, its_end in sorted(taken):
        count += max(0, min(its_begin, end) - at)
        at = max(at, its_end)
    return count + max(0, end - at)
