"""HTTP requests out of a stream of bytes that a guest writes: one known shape, everything else refused.

The stream is a character device of QEMU's: whatever connections the guest makes, their bytes come one after
the other without a mark between them (QEMU's documentation, "guestfwd"). So after a refusal the rest is
not looked at until the guest has been quiet. RFC 9112, of which only what cloud-init sends is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from image_library.domain.secret import Secret

LARGEST_HEAD = 4 << 10
# Three public keys, of which an RSA key of 16,384 bits has 2.8 KiB in base64.
LARGEST_BODY = 16 << 10

_END = b"\r\n\r\n"
_POST = re.compile(rb"POST /(?P<token>[A-Za-z0-9_-]{0,128}) HTTP/1\.[01]")
_GET = re.compile(rb"GET /(?P<token>[A-Za-z0-9_-]{0,128})/(?P<document>[a-z-]{1,32}) HTTP/1\.[01]")
_HEADER = re.compile(rb"(?P<name>[A-Za-z0-9-]{1,64}):[ \t]*(?P<value>[\x20-\x7e]{0,1024}?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Request:
    token: Secret
    body: bytes = field(default=b"", repr=False)
    # What is asked for; empty: nothing is, something is told.
    document: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A status of HTTP, with which nothing else is said."""

    status: int


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestReader:
    """Takes bytes as they come; holds at most one request's worth of them. ``serves``: it may be asked."""

    def __init__(self, *, serves: bool = False) -> None:
        self._methods = (b"POST /", b"GET /") if serves else (b"POST /",)
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
        self._require_method()
        head, end, rest = self._held.partition(_END)
        if len(head) > LARGEST_HEAD:
            raise _Refused(431)
        if not end:
            return None
        request, length = _read_head(head)
        if len(rest) < length:
            return None
        self._held = rest[length:]
        return replace(request, body=rest[:length])

    def _require_method(self) -> None:
        """What is something else is refused by its first bytes."""
        if not any(self._held[: len(method)] == method[: len(self._held)] for method in self._methods):
            raise _Refused(405)


def _read_head(head: bytes) -> tuple[Request, int]:
    """What is asked, and how many bytes follow."""
    first, *lines = head.split(b"\r\n")
    headers = _headers(lines)
    if asked := _GET.fullmatch(first):
        return _asked(asked, headers), 0
    told = _POST.fullmatch(first)
    if told is None:
        raise _Refused(400)
    if b"transfer-encoding" in headers or b"expect" in headers:
        raise _Refused(501)
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _FORM:
        raise _Refused(415)
    if not _LENGTH.fullmatch(length := headers.get(b"content-length", b"")):
        raise _Refused(411)
    if int(length) > LARGEST_BODY:
        raise _Refused(413)
    return Request(token=_token(told)), int(length)


def _asked(asked: re.Match[bytes], headers: dict[bytes, bytes]) -> Request:
    """Nothing follows a question."""
    if {b"content-length", b"transfer-encoding", b"expect"} & headers.keys():
        raise _Refused(400)
    return Request(token=_token(asked), document=asked["document"].decode("ascii"))


def _token(found: re.Match[bytes]) -> Secret:
    return Secret(found["token"].decode("ascii"))


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        # Twice the same is how two readers come to see two requests in one.
        if found is None or found["name"].lower() in headers:
            raise _Refused(400)
        headers[found["name"].lower()] = found["value"]
    return headers
