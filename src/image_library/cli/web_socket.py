"""A WebSocket on the standard library's sockets, for consoles.

Source: RFC 6455, by way of wsproto, which does no I/O.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from image_library.domain.errors import Internal, ServerUnreachable
from image_library.wire.errors import from_plain

_BLOCK = 64 << 10
_LARGEST_ERROR = 64 << 10
_GONE = 1006


class WebSocketEnded(Exception):
    """The other side ended it: with its code and sentence, or by being gone (1006)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class WebSocket:
    """Bytes both ways. Of one thread; ``close`` when done."""

    def __init__(self, connection: socket.socket, protocol: WSConnection) -> None:
        self._connection = connection
        self._protocol = protocol
        # What may have come with the acceptance.
        self._early = True
        # How it ended, if that came in one block with the last bytes.
        self._ended: WebSocketEnded | None = None

    @classmethod
    def open(cls, url: str, *, headers: Mapping[str, str], ca_file: str | None, patience: float) -> WebSocket:
        """Raises the server's own error, or ServerUnreachable."""
        where = urlsplit(url)
        port = where.port or (443 if where.scheme == "wss" else 80)
        with _translated(url):
            connection = socket.create_connection((where.hostname or "", port), timeout=patience)
            if where.scheme == "wss":
                trusted = ssl.create_default_context(cafile=ca_file)
                connection = trusted.wrap_socket(connection, server_hostname=where.hostname)
        opened = cls(connection, WSConnection(ConnectionType.CLIENT))
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            with _translated(url):
                target = f"{where.path}?{where.query}"
                opened._send(Request(host=where.netloc, target=target, extra_headers=extra))
                opened._await_acceptance()
        except BaseException:
            connection.close()
            raise
        return opened

    def fileno(self) -> int:
        """Readable when ``receive`` will not wait."""
        return self._connection.fileno()

    def send(self, data: bytes) -> None:
        """Raises WebSocketEnded."""
        try:
            self._send(BytesMessage(data=data))
        except (OSError, ProtocolError) as error:
            raise WebSocketEnded(_GONE, str(error)) from error

    def receive(self) -> bytes:
        """What came with the next block; it may be nothing, as at the first call. Raises WebSocketEnded."""
        if self._ended is not None:
            raise self._ended
        heard = bytearray()
        try:
            if not self._early:
                self._feed()
            self._early = False
            for event in self._protocol.events():
                heard += self._heard(event)
        except (OSError, ProtocolError) as error:
            self._ended = WebSocketEnded(_GONE, str(error))
        except WebSocketEnded as ended:
            self._ended = ended
        if self._ended is not None and not heard:
            raise self._ended
        return bytes(heard)

    def close(self) -> None:
        try:
            self._send(CloseConnection(code=1000))
        except (OSError, ProtocolError):
            pass
        finally:
            self._connection.close()

    def _heard(self, event: Event) -> bytes:
        if isinstance(event, BytesMessage):
            return bytes(event.data)
        if isinstance(event, TextMessage):
            return event.data.encode()
        if isinstance(event, Ping):
            self._send(event.response())
        if isinstance(event, CloseConnection):
            raise WebSocketEnded(int(event.code), event.reason or "")
        return b""

    def _await_acceptance(self) -> None:
        refusal = bytearray()
        while True:
            self._feed()
            for event in self._protocol.events():
                if isinstance(event, AcceptConnection):
                    self._connection.settimeout(None)
                    return
                if isinstance(event, RejectData):
                    refusal += event.data
                    if event.body_finished or len(refusal) > _LARGEST_ERROR:
                        raise from_plain(bytes(refusal)) or Internal("The server refused the console.")
                elif isinstance(event, RejectConnection) and not event.has_body:
                    raise Internal(f"The server answered {event.status_code}.")

    def _feed(self) -> None:
        data = self._connection.recv(_BLOCK)
        if isinstance(self._connection, ssl.SSLSocket):
            # What is decrypted already makes no descriptor readable.
            while self._connection.pending():
                data += self._connection.recv(_BLOCK)
        if not data:
            raise ConnectionResetError("The server hung up.")
        self._protocol.receive_data(data)

    def _send(self, event: Event) -> None:
        self._connection.sendall(self._protocol.send(event))


@contextmanager
def _translated(url: str) -> Generator[None]:
    try:
        yield
    except (OSError, ProtocolError) as error:
        where = urlsplit(url)
        raise ServerUnreachable(f"The console at {where.scheme}://{where.netloc} broke: {error}.") from error
