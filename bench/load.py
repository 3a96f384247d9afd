"""A load of HTTP/1.1 requests from one thread: so many connections, each asking again once answered.

It reads an answer's head and counts the rest, so that it costs little beside any server. A connection that
the server closes after its answer is opened anew, on the clock.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_STATUS = re.compile(rb"HTTP/1\.1 200 ")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked\r\n")
_END_OF_HEAD = b"\r\n\r\n"
# Nothing else in an answer of JSON looks like this.
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_BUFFER = bytearray(1 << 18)


@dataclass
class Measured:
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list[float])

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes; underscores in the headers' names are hyphens."""
    fixed = {"host": "127.0.0.1", "accept": "application/json"}
    if body:
        fixed |= {"content-type": "application/json", "content-length": str(len(body))}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (fixed | headers).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float = 3600.0) -> Measured:
    """Ask for that long or until there is nothing more to ask, and wait for what was asked.

    SystemExit when an answer is not 200.
    """
    measured = Measured()
    with selectors.EpollSelector() as selector:
        lines = [_Line(port, selector) for _ in range(connections)]
        began = time.perf_counter()
        busy = sum(line.ask(next(requests, None)) for line in lines)
        while busy:
            for key, _ in selector.select():
                latency = key.data.read()
                if latency is not None:
                    measured.latencies.append(latency)
                    more = time.perf_counter() < began + seconds
                    busy -= not key.data.ask(next(requests, None) if more else None)
        measured.seconds = time.perf_counter() - began
        for line in lines:
            line.close()
    return measured


class _Line:
    """One connection."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._port = port
        self._selector = selector
        self._asked: bytes | None = None
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)

    def close(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()

    def ask(self, asked: bytes | None) -> bool:
        """Whether there was anything to ask."""
        self._head = b""
        self._left: _Left | None = None
        self._asked = asked
        self._began = time.perf_counter()
        if asked is not None:
            self._send(asked)
        return asked is not None

    def _send(self, asked: bytes) -> None:
        try:
            self._socket.sendall(asked)
        except ConnectionError:
            self._again()

    def read(self) -> float | None:
        """Seconds that the answer took, once it is whole."""
        try:
            count = self._socket.recv_into(_BUFFER)
        except ConnectionResetError:
            # Closed after the answer before, just as this request came in.
            count = 0
        if not count:
            self._again()
        elif self._left is None:
            self._read_head(count)
        else:
            self._left.take(count)
        ended = self._left is not None and self._left.ended
        return time.perf_counter() - self._began if ended else None

    def _read_head(self, count: int) -> None:
        self._head += _BUFFER[:count]
        end = self._head.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            return
        length, chunked = _LENGTH.search(self._head, 0, end), _CHUNKED.search(self._head, 0, end)
        if not _STATUS.match(self._head) or not (length or chunked):
            raise SystemExit(f"A server answered: {self._head[:2000].decode(errors='replace')}")
        self._left = _Left(
            int(length[1]) - (len(self._head) - end) if length else None, self._head[-len(_LAST_CHUNK) :]
        )

    def _again(self) -> None:
        """The server closed the connection; nothing was lost unless it was in the middle of an answer."""
        if self._head:
            raise SystemExit("A server broke off its answer.")
        self.close()
        self._open()
        if self._asked is not None:
            self._socket.sendall(self._asked)


class _Left:
    """What is still to come of an answer: so many bytes, or (None) whatever comes until the last chunk."""

    def __init__(self, missing: int | None, tail: bytes) -> None:
        self._missing = missing
        self._tail = tail

    def take(self, count: int) -> None:
        if self._missing is not None:
            self._missing -= count
        else:
            self._tail = (self._tail + _BUFFER[max(0, count - len(_LAST_CHUNK)) : count])[-len(_LAST_CHUNK) :]

    @property
    def ended(self) -> bool:
        return self._missing == 0 if self._missing is not None else self._tail == _LAST_CHUNK
