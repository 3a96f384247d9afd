"""The socket that the control plane is reached at."""

from __future__ import annotations

import errno
import socket

from image_library.domain.errors import ListenDenied, PortTaken

_BACKLOG = 1024


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there already; port 0 picks a free one.

    Raises:
        PortTaken: another program listens there.
        ListenDenied: the machine has no such address, or the port is not ours to use.
    """
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, address = found[0][0], found[0][4]
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"Another program listens on {shown}.", field="listen") from error
        raise ListenDenied(
            f"{shown} cannot be listened on: {error.strerror}.",
            remedy="Choose an address of this machine and a port above 1023.",
            field="listen",
        ) from error


def url_of(sock: socket.socket, *, tls: bool) -> str:
    """Where a client on this machine finds it."""
    host, port = sock.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))  # noqa: S104
    shown = f"[{local}]" if ":" in local else local
    return f"{'https' if tls else 'http'}://{shown}:{port}"
