"""A line between two programs on loopback: slow as a test wants, cut when it says so, leading elsewhere."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BLOCK = 16 << 10


@dataclass
class SlowLine:
    """Forwards connections to the server at ``target``; ``rate`` is bytes a second towards its clients."""

    target: str
    rate: int = 0
    port: int = 0
    # Bytes that the clients got.
    carried: int = 0
    _cut: bool = False
    _open: set[socket.socket] = field(default_factory=set[socket.socket])
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Nothing gets through any more, until it is mended."""
        with self._changed:
            self._cut = True
            ending, self._open = self._open, set()
        for end in ending:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._changed:
            self._cut = False

    def wait_for_bytes(self, count: int, timeout: float = 30) -> None:
        """Return once the clients got so many; raises AssertionError when they do not."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.carried >= count, timeout), f"only {self.carried}"

    def accept(self, listener: socket.socket) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True, name="line").start()

    def _serve(self, client: socket.socket) -> None:
        where = urlsplit(self.target)
        with client, contextlib.suppress(OSError):
            if self._cut:
                return
            # A small window: what is on its way is little.
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _BLOCK)
            with server:
                server.connect((where.hostname, where.port))
                with self._changed:
                    self._open |= {client, server}
                back = threading.Thread(target=self._pump, args=(client, server), daemon=True, name="line")
                back.start()
                self._pump(server, client, towards_client=True)
                back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, *, towards_client: bool = False) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK):
                sink.sendall(block)
                if towards_client:
                    self._count(len(block))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, size: int) -> None:
        with self._changed:
            self.carried += size
            self._changed.notify_all()
        if self.rate:
            # The line's own speed; nothing is waited for.
            time.sleep(size / self.rate)


@contextmanager
def slow_line(target: str, rate: int = 0) -> Generator[SlowLine]:
    line = SlowLine(target, rate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line.port = listener.getsockname()[1]
        accepting = threading.Thread(target=line.accept, args=(listener,), name="line")
        accepting.start()
        try:
            yield line
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            line.cut()
            accepting.join(timeout=10)
