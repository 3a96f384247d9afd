"""HTTP requests out of a stream of bytes that a guest writes: one known shape, everything else refused.

The stream is a character device of QEMU's: whatever connections the guest makes, their bytes come one after
the other without a mark between them (QEMU's documentation, "guestfwd"). So after a refusal the rest is
not looked at until the guest has been quiet. RFC 9112, of which only what cloud-init sends is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from image_library.domain.secret import Secret

LARGEST_HEAD = 4 << 10
# Three public keys, of which an RSA key of 16,384 bits has 2.8 KiB in base64.
LARGEST_BODY = 16 << 10

_END = b"\r\n\r\n"
_REQUEST = re.compile(rb"POST /(?P<token>[A-Za-z0-9_-]{0,128}) HTTP/1\.[01]")
_HEADER = re.compile(rb"(?P<name>[A-Za-z0-9-]{1,64}):[ \t]*(?P<value>[\x20-\x7e]{0,1024}?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Request:
    token: Secret
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A status of HTTP, with which nothing else is said."""

    status: int


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestReader:
    """Takes bytes as they come; holds at most one request's worth of them."""

    def __init__(self) -> None:
        self._held = b""
        self._deaf = False

    @property
    def is_midway(self) -> bool:
        """Whether a request has begun and not ended."""
        return bool(self._held)

    @property
    def is_deaf(self) -> bool:
        return self._deaf

    def read(self, data: bytes) -> Iterator[Request | Refusal]:
        """What came to its end with these bytes."""
        if self._deaf:
            return
        self._held += data
        try:
            while request := self._next():
                yield request
        except _Refused as refused:
            self.turn_deaf()
            yield Refusal(status=refused.status)

    def turn_deaf(self) -> None:
        """Forgets what was begun, and takes nothing until ``begin_anew``."""
        self._held, self._deaf = b"", True

    def begin_anew(self) -> None:
        self._held, self._deaf = b"", False

    def _next(self) -> Request | None:
        if not self._held:
            return None
        _require_post(self._held)
        head, end, rest = self._held.partition(_END)
        if len(head) > LARGEST_HEAD:
            raise _Refused(431)
        if not end:
            return None
        token, length = _read_head(head)
        if len(rest) < length:
            return None
        self._held = rest[length:]
        return Request(token=token, body=rest[:length])


def _require_post(held: bytes) -> None:
    """What is no POST is refused by its first bytes."""
    expected = b"POST /"
    if held[: len(expected)] != expected[: len(held)]:
        raise _Refused(405)


def _read_head(head: bytes) -> tuple[Secret, int]:
    first, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(first)
    if request is None:
        raise _Refused(400)
    headers = _headers(lines)
    if b"transfer-encoding" in headers or b"expect" in headers:
        raise _Refused(501)
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _FORM:
        raise _Refused(415)
    if not _LENGTH.fullmatch(length := headers.get(b"content-length", b"")):
        raise _Refused(411)
    if int(length) > LARGEST_BODY:
        raise _Refused(413)
    return Secret(request["token"].decode("ascii")), int(length)


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        # Twice the same is how two readers come to see two requests in one.
        if found is None or found["name"].lower() in headers:
            raise _Refused(400)
        headers[found["name"].lower()] = found["value"]
    return headers
