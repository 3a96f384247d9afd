"""The ways in which a mirror misbehaves. Each fault is a value; arm it with Mirror.fault(path, fault).

A "count" is in bytes of one answer's body; only Corrupt means bytes of the file.
"""

from __future__ import annotations

import gzip
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.http_answer import Answer, Content, Request


@dataclass(frozen=True)
class Fault:
    """Changes what a path answers: all its GETs, or "times" of them once "skip" have passed unharmed.

    A HEAD sees the faults that the next GET will see, and uses none up.
    """

    times: int | None = field(default=None, kw_only=True)
    skip: int = field(default=0, kw_only=True)

    def alter_content(self, content: Content) -> None:
        """Change the representation, before ranges and conditions are looked at."""

    def alter_request(self, request: Request) -> Request:
        """Change what the server believes that it was asked."""
        return request

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        """Change the honest answer. A wait must end when "closing" is set."""


@dataclass(frozen=True)
class Throttle(Fault):
    """No more than so many bytes a second."""

    bytes_per_second: int

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.bytes_per_second = self.bytes_per_second
        answer.chunk = min(answer.chunk, max(1, self.bytes_per_second // 20))


@dataclass(frozen=True)
class Trickle(Fault):
    """One byte at a time, 20 a second: a slow loris."""

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.bytes_per_second, answer.chunk = 20, 1


@dataclass(frozen=True)
class CutAfter(Fault):
    """Close the connection after so many bytes; with "reset", as a crashed host would."""

    count: int
    reset: bool = field(default=False, kw_only=True)

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.reset = self.reset
        answer.events[self.count] = lambda: True


@dataclass(frozen=True)
class Drop(Fault):
    """Close the connection without a word."""

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.events[-1] = lambda: True


@dataclass(frozen=True)
class StallAfter(Fault):
    """Send so many bytes, then nothing for ever, the connection left open."""

    count: int

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.events[self.count] = closing.wait


@dataclass(frozen=True)
class HoldAt(Fault):
    """Send so many bytes, then wait until the test calls release()."""

    count: int
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        def wait() -> bool:
            while not self.released.wait(0.02):
                if closing.is_set():
                    return True
            return False

        answer.events[self.count] = wait


@dataclass(frozen=True)
class Corrupt(Fault):
    """Turn round every bit of the file's byte "at", or of "length" bytes from there on."""

    at: int
    length: int = 1

    def alter_content(self, content: Content) -> None:
        def flip(start: int, data: bytes) -> bytes:
            first, last = max(self.at - start, 0), min(self.at + self.length - start, len(data))
            if first >= last:
                return data
            return data[:first] + bytes(byte ^ 0xFF for byte in data[first:last]) + data[last:]

        content.transforms.append(flip)


@dataclass(frozen=True)
class Replace(Fault):
    """Another file under the same name, as when "latest" moves on."""

    data: bytes

    def alter_content(self, content: Content) -> None:
        content.source, content.etag = self.data, f'"{len(self.data)}-replaced"'


@dataclass(frozen=True)
class Html(Fault):
    """200 and a page, as captive portals answer."""

    page: str = "<!DOCTYPE html><html><title>Welcome</title><p>Please log in to the network.</html>\n"

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.replace_body(self.page.encode(), status=200, content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class Status(Fault):
    """An error status, with Retry-After when given (seconds, a date or nonsense)."""

    code: int
    retry_after: str | None = None

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.replace_body(f"error {self.code}\n".encode(), status=self.code, content_type="text/plain")
        if self.retry_after is not None:
            answer.headers["Retry-After"] = self.retry_after


@dataclass(frozen=True)
class Redirect(Fault):
    """To another address. The address of the path itself makes a loop."""

    to: str
    code: int = 302

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.replace_body(b"", status=self.code, content_type="text/plain")
        answer.headers["Location"] = self.to


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """200 and the whole file, whatever range is asked for."""

    def alter_request(self, request: Request) -> Request:
        return without(request, "range")


@dataclass(frozen=True)
class IgnoreIfRange(Fault):
    """206 although the validator no longer matches."""

    def alter_request(self, request: Request) -> Request:
        return without(request, "if-range")


@dataclass(frozen=True)
class WrongContentRange(Fault):
    """A 206 whose Content-Range starts so many bytes beside the bytes that it carries."""

    shift: int = 1

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        if answer.status == 206:
            first, last = answer.start + self.shift, answer.stop - 1 + self.shift
            answer.headers["Content-Range"] = f"bytes {first}-{last}/{answer.content.size}"


@dataclass(frozen=True)
class WrongTotal(Fault):
    """A 206 that names another size of the whole file."""

    total: int

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        if answer.status == 206:
            answer.headers["Content-Range"] = f"bytes {answer.start}-{answer.stop - 1}/{self.total}"


@dataclass(frozen=True)
class NoLength(Fault):
    """No Content-Length: the body ends with the connection."""

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.headers.pop("Content-Length", None)
        answer.headers["Connection"] = "close"
        answer.close = True


@dataclass(frozen=True)
class LongerBody(Fault):
    """More bytes than Content-Length says."""

    extra: bytes = b"surplus"

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.extra, answer.close = self.extra, True


@dataclass(frozen=True)
class WrongLength(Fault):
    """Any Content-Length: too long, negative, words. The connection ends with the true body."""

    value: str

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.headers["Content-Length"], answer.close = self.value, True


@dataclass(frozen=True)
class ChangedETag(Fault):
    """Another ETag with every request, the same bytes."""

    _numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__, kw_only=True)

    def alter_content(self, content: Content) -> None:
        content.etag = f'"changed-{self._numbers()}"'
        content.modified = ""


@dataclass(frozen=True)
class WeakETag(Fault):
    """A weak ETag and no Last-Modified: no strong validator."""

    def alter_content(self, content: Content) -> None:
        content.etag, content.modified = f"W/{content.etag}", ""


@dataclass(frozen=True)
class NoValidators(Fault):
    """Neither ETag nor Last-Modified."""

    def alter_content(self, content: Content) -> None:
        content.etag = content.modified = ""


@dataclass(frozen=True)
class Gzip(Fault):
    """The file compressed, with Content-Encoding, though nobody asked for it."""

    def alter_content(self, content: Content) -> None:
        content.source = gzip.compress(content.read(0, content.size))
        content.transforms = []
        content.headers.append(("Content-Encoding", "gzip"))


@dataclass(frozen=True)
class Header(Fault):
    """Another value for a header of answers with this status; None takes it away."""

    name: str
    value: str | None
    status: int = 206

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        if answer.status == self.status:
            answer.headers.pop(self.name, None)
            if self.value is not None:
                answer.headers[self.name] = self.value


@dataclass(frozen=True)
class Part(Fault):
    """206 and a part of the file that was not asked for, honestly named."""

    start: int
    stop: int

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.status, answer.start, answer.stop = 206, self.start, self.stop
        answer.headers["Content-Range"] = f"bytes {self.start}-{self.stop - 1}/{answer.content.size}"
        answer.headers["Content-Length"] = str(self.stop - self.start)


@dataclass(frozen=True)
class Raw(Fault):
    """These bytes and nothing else, then the end of the connection."""

    said: bytes

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.raw_head, answer.close = self.said, True
        answer.stop, answer.extra = answer.start, b""


@dataclass(frozen=True)
class Silent(Fault):
    """Not even a head, and the connection stays open."""

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.events[-1] = closing.wait


@dataclass(frozen=True)
class Chunked(Fault):
    """In chunks and without a length, whatever range is asked for; with a chunk that is none, if told so."""

    broken: bool = False

    def alter_content(self, content: Content) -> None:
        data = content.read(0, content.size)
        half = len(data) // 2
        size = b"zz" if self.broken else f"{len(data) - half:x}".encode()
        chunks = f"{half:x}\r\n".encode() + data[:half] + b"\r\n" + size + b"\r\n" + data[half:]
        content.source, content.transforms = chunks + b"\r\n0\r\n\r\n", []
        content.headers.append(("Transfer-Encoding", "chunked"))

    def alter_request(self, request: Request) -> Request:
        return without(request, "range")

    def alter_answer(self, answer: Answer, closing: threading.Event) -> None:
        answer.headers.pop("Content-Length", None)


def without(request: Request, header: str) -> Request:
    kept = {name: value for name, value in request.headers.items() if name != header}
    return Request(method=request.method, path=request.path, headers=kept)
