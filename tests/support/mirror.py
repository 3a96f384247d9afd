"""A mirror of publishers on loopback that serves real files over real HTTP/1.1, and misbehaves when told to.

with Mirror(folder) as mirror:
    mirror.put("https://cloud.debian.org/images/disk.qcow2", image)
    mirror.fault("cloud.debian.org/images/disk.qcow2", CutAfter(1 << 20, times=1))
    ... mirror.base_url + "/cloud.debian.org/images/disk.qcow2" ...
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.http_answer import Answer, Content, Request, absent, answer_to
from tests.support.mirror_faults import Fault

_LARGEST_HEAD = 64 * 1024


@dataclass(kw_only=True)
class Exchange:
    """One request and what was sent for it so far."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    # Where in the file the body starts, and how many bytes of the body were sent.
    start: int = 0
    sent: int = 0
    # True once nothing more of it goes out: it was sent whole, or cut.
    ended: bool = False

    @property
    def range(self) -> str | None:
        """The Range header, as asked."""
        return self.headers.get("range")


@dataclass(kw_only=True)
class _Armed:
    fault: Fault
    gets: int = 0

    @property
    def acts(self) -> bool:
        used = self.gets - self.fault.skip
        return used >= 0 and (self.fault.times is None or used < self.fault.times)


class Mirror:
    """Serves root/HOST/PATH at base_url/HOST/PATH until the with-block ends. Safe to call from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._faults: dict[str, list[_Armed]] = {}
        self._exchanges: list[Exchange] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._listener: socket.socket | None = None
        self._port = 0
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on a free loopback port; after stop(), on the same port again."""
        self._closing.clear()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._spawn(self._accept, self._listener)

    def stop(self) -> None:
        """Stop listening and cut every connection: from now on the mirror is unreachable."""
        self._closing.set()
        if self._listener is not None:
            # A shutdown wakes accept(); a close alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._changed:
            open_now = list(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(timeout=10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def url(self, path: str) -> str:
        """The address of a path, or of a publisher's URL, at this mirror."""
        return f"{self.base_url}/{path_of(path)}"

    def put(self, path: str, content: bytes | Path) -> None:
        """Serve bytes, or a file as it lies, as HOST/PATH; a publisher's URL says the same."""
        place = self.root / path_of(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() or place.exists():
            place.unlink()
        if isinstance(content, Path):
            place.symlink_to(content.resolve())
        else:
            place.write_bytes(content)

    def remove(self, path: str) -> None:
        place = self.root / path_of(path)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()

    def fault(self, path: str, *faults: Fault) -> None:
        """Let answers for "path" go wrong from now on; several faults act together, in this order."""
        with self._changed:
            self._faults.setdefault(path_of(path), []).extend(_Armed(fault=fault) for fault in faults)

    def heal(self, path: str | None = None) -> None:
        """Forget the faults of one path, or all."""
        with self._changed:
            if path is None:
                self._faults.clear()
            else:
                self._faults.pop(path_of(path), None)

    def exchanges(self, path: str | None = None) -> list[Exchange]:
        """All requests so far, oldest first; those of one path when given."""
        with self._changed:
            return [e for e in self._exchanges if path is None or e.path == path_of(path)]

    def bytes_sent(self, path: str) -> int:
        """Bytes of bodies sent for a path by all answers together."""
        return sum(exchange.sent for exchange in self.exchanges(path))

    def wait_for_ends(self, path: str, *, timeout: float = 30) -> None:
        """Return when every answer for a path has ended. Raises TimeoutError.

        A client may have the last byte before it is counted here.
        """
        self._wait(
            lambda: all(e.ended for e in self._exchanges if e.path == path_of(path)),
            timeout,
            f"end of {path}",
        )

    def wait_for_bytes(self, path: str, position: int, *, timeout: float = 30) -> None:
        """Return when an answer has reached that position of the file. Raises TimeoutError."""
        self._wait(
            lambda: any(e.start + e.sent >= position for e in self._exchanges if e.path == path_of(path)),
            timeout,
            f"byte {position} of {path}",
        )

    def wait_for_sent(self, path: str, count: int, *, timeout: float = 30) -> None:
        """Return when all answers for a path together have sent so many bytes. Raises TimeoutError."""
        self._wait(
            lambda: sum(e.sent for e in self._exchanges if e.path == path_of(path)) >= count,
            timeout,
            f"{count} bytes of {path}",
        )

    def wait_for_requests(self, path: str, count: int, *, timeout: float = 30) -> None:
        """Return when a path has been asked for that often. Raises TimeoutError."""
        self._wait(
            lambda: sum(e.path == path_of(path) for e in self._exchanges) >= count,
            timeout,
            f"request {count} for {path}",
        )

    def _wait(self, happened: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(happened, timeout):
                raise TimeoutError(f"the mirror saw no {what} in {timeout:g} s: {self._exchanges}")

    # --- connections

    def _spawn(self, work: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(connection,), name="mirror", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # Head and body are two writes: without this the second waits for an acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._connections.add(connection)
            self._spawn(self._converse, connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            # A client may be gone at any moment: that is what the tests are about.
            with contextlib.suppress(OSError):
                reader = connection.makefile("rb")
                with reader:
                    while (request := read_request(reader.readline)) and not self._closing.is_set():
                        if not self._answer(connection, request):
                            break
            with self._changed:
                self._connections.discard(connection)

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Answer one request; False when the connection is to be closed."""
        exchange = Exchange(method=request.method, path=request.path, headers=request.headers)
        answer = self._decide(request)
        exchange.status, exchange.start = answer.status, answer.start
        with self._changed:
            self._exchanges.append(exchange)
            self._changed.notify_all()
        try:
            whole = self._send(connection, answer, exchange)
        finally:
            with self._changed:
                exchange.ended = True
                self._changed.notify_all()
        if whole:
            return not answer.close and request.headers.get("connection", "").lower() != "close"
        if answer.reset:
            # With a linger time of 0 closing sends RST (socket(7)).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _decide(self, request: Request) -> Answer:
        faults = self._acting(request)
        file = (self.root / request.path).resolve() if ".." not in request.path.split("/") else None
        if file is None or not file.is_file():
            answer = absent()
        else:
            content = Content.of_file(file)
            seen = request
            for fault in faults:
                fault.alter_content(content)
                seen = fault.alter_request(seen)
            answer = answer_to(seen, content)
        for fault in faults:
            fault.alter_answer(answer, self._closing)
        return answer

    def _acting(self, request: Request) -> list[Fault]:
        with self._changed:
            armed = self._faults.get(request.path, [])
            acting = [one.fault for one in armed if one.acts]
            if request.method == "GET":
                for one in armed:
                    one.gets += 1
            return acting

    def _send(self, connection: socket.socket, answer: Answer, exchange: Exchange) -> bool:
        """Send head and body; False when a fault cut it short."""
        if -1 in answer.events and answer.events[-1]():
            return False
        connection.sendall(answer.head())
        if exchange.method == "HEAD":
            return True
        stops = sorted(position for position in answer.events if position >= 0)
        started = time.monotonic()
        while True:
            if stops and exchange.sent == stops[0] and answer.events[stops.pop(0)]():
                return False
            limit = min([answer.chunk, *(stop - exchange.sent for stop in stops[:1])])
            data = answer.body(exchange.sent, limit)
            if not data:
                return True
            connection.sendall(data)
            with self._changed:
                exchange.sent += len(data)
                self._changed.notify_all()
            if answer.bytes_per_second is not None:
                due = started + exchange.sent / answer.bytes_per_second
                if self._closing.wait(max(0.0, due - time.monotonic())):
                    return False


def path_of(path_or_url: str) -> str:
    """HOST/PATH of a publisher's URL; a path stays as it is."""
    if "://" not in path_or_url:
        return path_or_url.lstrip("/")
    parts = urlsplit(path_or_url)
    return f"{parts.netloc}{parts.path}"


def read_request(readline: Callable[[int], bytes]) -> Request | None:
    """The next request's head; None at the end of the connection, or when it is no GET or HEAD."""
    method, _, rest = readline(_LARGEST_HEAD).decode("latin-1").strip().partition(" ")
    if method not in ("GET", "HEAD"):
        return None
    headers: dict[str, str] = {}
    while line := readline(_LARGEST_HEAD).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    target = urlsplit(rest.rpartition(" ")[0])
    return Request(method=method, path=unquote(target.path).lstrip("/"), headers=headers)
