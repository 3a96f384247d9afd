"""A control plane that only notes when a node's reports came in: no work of its own is in the times."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from limiquantix.compute.v1.node_pb import UpdateHeartbeatResponse

_FOLLOW_UP = UpdateHeartbeatResponse(acknowledged=True, heartbeat_interval_secs=3600).to_binary()


class Ear(ThreadingHTTPServer):
    """``url`` is where it listens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.url = f"http://127.0.0.1:{self.server_port}"
        # Each with the moment (perf_counter) when its last byte was here; the last one of its kind.
        self.registered: float = 0.0
        self.reported: float = 0.0
        self.registration = b""
        self.report = b""
        self._heard = threading.Event()

    def wait(self, seconds: float) -> float:
        """Seconds from the registration to the whole report, then forgotten."""
        if not self._heard.wait(seconds):
            raise SystemExit("The node did not report.")
        self._heard.clear()
        return self.reported - self.registered

    def hear(self, rpc: str, body: bytes, now: float) -> bytes:
        if rpc == "RegisterNode":
            self.registration, self.registered = body, now
        elif rpc == "ScanLocalImages":
            self.report, self.reported = body, now
            self._heard.set()
        return _FOLLOW_UP if rpc == "UpdateHeartbeat" else b""


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ear  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self._body()
        answer = self.server.hear(self.path.rpartition("/")[2], body, time.perf_counter())
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def listening() -> Generator[Ear]:
    ear = Ear()
    thread = threading.Thread(target=ear.serve_forever, daemon=True)
    thread.start()
    try:
        yield ear
    finally:
        ear.shutdown()
        ear.server_close()
