"""What the mirror is about to send: a representation, the part asked for, and how it goes out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

REASONS = {
    200: "OK",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Found",
    403: "Forbidden",
    404: "Not Found",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
CHUNK = 64 * 1024
Transform = Callable[[int, bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A parsed request head; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(kw_only=True)
class Content:
    """A whole representation: a file or bytes, its validators, and changes made while it is read."""

    source: Path | bytes
    etag: str
    modified: str
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    transforms: list[Transform] = field(default_factory=list[Transform])

    @classmethod
    def of_file(cls, path: Path) -> Content:
        stat = path.stat()
        etag = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
        return cls(source=path, etag=f'"{etag}"', modified=formatdate(stat.st_mtime, usegmt=True))

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self, at: int, count: int) -> bytes:
        if isinstance(self.source, bytes):
            data = self.source[at : at + count]
        else:
            with self.source.open("rb") as file:
                file.seek(at)
                data = file.read(count)
        for transform in self.transforms:
            data = transform(at, data)
        return data


@dataclass(kw_only=True)
class Answer:
    """One answer, before it is sent. Faults change it; the mirror then does as it says."""

    status: int
    headers: dict[str, str]
    content: Content
    # The part of the content that is the body: from "start" up to "stop", then "extra".
    start: int = 0
    stop: int = 0
    extra: bytes = b""
    # How the body goes out.
    chunk: int = CHUNK
    bytes_per_second: float | None = None
    # What happens before the body's byte of that number goes out, each once; -1 is before the head.
    # True from the action ends the connection.
    events: dict[int, Callable[[], bool]] = field(default_factory=dict[int, Callable[[], bool]])
    reset: bool = False
    close: bool = False
    # Said instead of the head.
    raw_head: bytes | None = None

    @property
    def body_size(self) -> int:
        return self.stop - self.start + len(self.extra)

    def body(self, at: int, count: int) -> bytes:
        """Bytes of the body, counted from its first."""
        inner = self.stop - self.start
        if at < inner:
            return self.content.read(self.start + at, min(count, inner - at))
        return self.extra[at - inner : at - inner + count]

    def replace_body(self, body: bytes, *, status: int, content_type: str) -> None:
        """Answer with something else altogether: a page, an error."""
        self.content = Content(source=body, etag="", modified="")
        self.status, self.start, self.stop = status, 0, len(body)
        self.headers = {"Content-Type": content_type, "Content-Length": str(len(body))}

    def head(self) -> bytes:
        if self.raw_head is not None:
            return self.raw_head
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer_to(request: Request, content: Content) -> Answer:
    """What an honest server says (RFC 9110, sections 13 and 14)."""
    size = content.size
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **dict(content.headers)}
    if content.etag:
        headers["ETag"] = content.etag
    if content.modified:
        headers["Last-Modified"] = content.modified
    wanted = asked_range(request.headers, content)
    if wanted is None:
        headers["Content-Length"] = str(size)
        return Answer(status=200, headers=headers, content=content, stop=size)
    start, stop = wanted
    if start >= stop:
        headers |= {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
        return Answer(status=416, headers=headers, content=content)
    headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{size}", "Content-Length": str(stop - start)}
    return Answer(status=206, headers=headers, content=content, start=start, stop=stop)


def asked_range(headers: dict[str, str], content: Content) -> tuple[int, int] | None:
    """The one range asked for as (start, stop), empty when it lies outside; None when all is to be sent."""
    unit, _, spec = headers.get("range", "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit != "bytes" or not dash or "," in spec:
        return None
    condition = headers.get("if-range")
    # A weak validator never matches here (RFC 9110, section 13.1.5).
    strong = [value for value in (content.etag, content.modified) if value and not value.startswith("W/")]
    if condition is not None and condition not in strong:
        return None
    if not first:
        return max(0, content.size - int(last)), content.size
    return int(first), min(int(last) + 1, content.size) if last else content.size


def absent() -> Answer:
    """A plain 404."""
    answer = Answer(status=404, headers={}, content=Content(source=b"", etag="", modified=""))
    answer.replace_body(b"There is no such file here.\n", status=404, content_type="text/plain")
    return answer
