"""Which bytes of a file a request asks for. Source: RFC 9110, sections 13.1.5 and 14."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

_ONE_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})")


@dataclass(frozen=True, kw_only=True)
class Span:
    """From ``start`` up to ``stop``; ``part`` where a range was asked for."""

    start: int
    stop: int
    part: bool


def asked_span(headers: Headers, *, size: int, etag: str) -> Span | None:
    """The bytes to send; None where the range lies outside.

    Several ranges, and ranges of another version (If-Range), are answered with the whole, as a server may.
    """
    whole = Span(start=0, stop=size, part=False)
    found = _ONE_RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if found is None or headers.get("if-range", etag) != etag:
        return whole
    first, last = found["first"], found["last"]
    if not first:
        start, stop = max(0, size - int(last or 0)), size
        return Span(start=start, stop=stop, part=True) if last and start < stop else (None if last else whole)
    start, stop = int(first), min(int(last) + 1, size) if last else size
    return Span(start=start, stop=stop, part=True) if start < stop else None
