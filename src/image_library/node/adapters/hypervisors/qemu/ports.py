"""Loopback ports for the VMs' SSH."""

from __future__ import annotations

import socket

from image_library.domain.errors import PortTaken

TRIES = 50


def free_port(preferred: int, avoid: frozenset[int]) -> int:
    """``preferred`` if it is given and nobody listens there, else one that the kernel has free.

    Raises:
        PortTaken: there is no free port that may be used.
    """
    if preferred and preferred not in avoid and _free(preferred):
        return preferred
    for _ in range(TRIES):
        port = _free(0)
        if port and port not in avoid:
            return port
    raise PortTaken("There is no free port for the VM's SSH on this node.", remedy="Stop some VMs.")


def _free(port: int) -> int:
    """The port that could be bound just now, 0 where it could not."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As qemu does it: a connection of the run before does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])
