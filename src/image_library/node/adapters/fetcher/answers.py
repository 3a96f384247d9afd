"""Reading the headers of an answer without trusting them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from image_library.domain.errors import BadLength
from image_library.node.adapters.fetcher.policy import Hop
from image_library.node.adapters.fetcher.retries import asked_wait

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an answer says of itself."""

    status: int
    # Bytes of the body; 0 where it does not say.
    length: int
    # First byte, the one after the last, and size of the whole, from Content-Range; None where there is none
    # that can be used.
    begins: int | None
    ends: int | None
    total: int | None
    # Whether parts of the file can be asked for.
    ranges: bool
    # A strong ETag, else empty: only such a one proves that two answers are parts of one file.
    validator: str
    # What Retry-After asks for.
    wait: float | None


def read_answer(hop: Hop, response: aiohttp.ClientResponse) -> Answer:
    """The answer's headers.

    Raises:
        BadLength: its Content-Length is no number.
    """
    headers = response.headers
    begins, ends, total = _range(headers.get("Content-Range", ""), response.status)
    return Answer(
        status=response.status,
        length=_length(hop, headers.getall("Content-Length", [])),
        begins=begins,
        ends=ends,
        total=total,
        ranges=begins is not None or headers.get("Accept-Ranges", "").strip().lower() == "bytes",
        validator=_strong(headers.get("ETag", "")),
        wait=asked_wait(headers.get("Retry-After", ""), datetime.now(UTC)),
    )


def _length(hop: Hop, given: list[str]) -> int:
    lengths = {text.strip() for text in given}
    if not lengths:
        return 0
    text = lengths.pop()
    if lengths or not text.isdecimal() or len(text) > 18:
        raise BadLength(f"{hop.host} sent a Content-Length that is no number.")
    return int(text)


def _range(header: str, status: int) -> tuple[int | None, int | None, int | None]:
    if status == 416 and (unsatisfied := _UNSATISFIED.fullmatch(header.strip())):
        return None, None, int(unsatisfied.group(1))
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if not found:
        return None, None, None
    first, last, total = map(int, found.groups())
    return (first, last + 1, total) if first <= last < total else (None, None, None)


def _strong(etag: str) -> str:
    return etag if re.fullmatch(r'"[!#-~]{1,200}"', etag) else ""
