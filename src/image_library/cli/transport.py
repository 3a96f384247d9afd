"""How the command line speaks HTTP: the standard library's client, one connection a call.

Not the RPC library's own transport, for two reasons: that one keeps Ctrl-C waiting until the server
speaks again, and it sends even loopback calls (and with them the token) through HTTP_PROXY.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pyqwest import Headers, SyncRequest, SyncResponse

CHUNK = 64 * 1024
STREAMED = "application/connect+"


@dataclass(frozen=True, kw_only=True)
class HttpTransport:
    """A transport for ``pyqwest.SyncClient``. It adds the token, if there is one, to every request.

    ``patience`` is the longest silence in seconds that a call may have; a stream may be silent for good.
    """

    token: str = field(default="", repr=False)
    patience: float
    ca_file: str | None = None

    def execute_sync(self, request: SyncRequest) -> SyncResponse:
        url = urlsplit(request.url)
        connection = self._connection(url.scheme, url.hostname or "", url.port)
        try:
            connection.connect()
            self._prepare(connection.sock, request)
            connection.request(request.method, url.path, body=_body(request), headers=self._headers(request))
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        chunks = _chunks(connection, answer)
        # Started, so that it hangs up even when nobody wants the body.
        next(chunks)
        return SyncResponse(status=answer.status, headers=Headers(answer.getheaders()), content=chunks)

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "https":
            trusted = ssl.create_default_context(cafile=self.ca_file)
            return http.client.HTTPSConnection(host, port, timeout=self.patience, context=trusted)
        return http.client.HTTPConnection(host, port, timeout=self.patience)

    def _prepare(self, connected: socket.socket, request: SyncRequest) -> None:
        # A watched server whose machine dies never says so; the kernel's probes notice it.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if request.headers.get("content-type", "").startswith(STREAMED):
            connected.settimeout(None)

    def _headers(self, request: SyncRequest) -> dict[str, str]:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        return headers


def _body(request: SyncRequest) -> bytes:
    content = request.content
    return content if isinstance(content, bytes) else b"".join(content)


def _chunks(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """An empty chunk, then the body as it comes; closing the iterator hangs up."""
    with closing(connection), answer:
        yield b""
        while chunk := answer.read1(CHUNK):
            yield chunk
