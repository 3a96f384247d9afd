"""Consoles on the wire between clients and the control plane."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from image_library.domain.console import ConsoleKind
from image_library.domain.errors import ConsoleMissing
from image_library.domain.picture import CONTENT_TYPE, Picture
from image_library.domain.secret import Secret
from image_library.wire.times import time_to_wire
from limiquantix.compute.v1.vm_pb import ConsoleInfo, Screenshot

_KINDS = {
    ConsoleKind.SERIAL: ConsoleInfo.ConsoleType.SERIAL,
    ConsoleKind.DISPLAY: ConsoleInfo.ConsoleType.VNC,
}
_KINDS_BACK = {wire: kind for kind, wire in _KINDS.items()}


def kind_asked(wire: ConsoleInfo.ConsoleType) -> ConsoleKind | None:
    """None where none is asked for. Raises ConsoleMissing: a kind that no VM here has."""
    if int(wire) == 0:
        return None
    kind = _KINDS_BACK.get(wire)
    if kind is None:
        raise ConsoleMissing("VMs here have no console of this type.", field="console_type")
    return kind


def screenshot_to_wire(shown: Picture) -> Screenshot:
    return Screenshot(data=shown.data, content_type=CONTENT_TYPE, width=shown.width, height=shown.height)


def console_to_wire(
    *,
    vm_id: str,
    kind: ConsoleKind,
    ticket: Secret,
    password: Secret,
    expires_at: datetime,
    authority: str,
    tls: bool,
) -> ConsoleInfo:
    """``authority``: HOST:PORT as the caller reached this server."""
    scheme = "wss" if tls else "ws"
    where = urlsplit(f"{scheme}://{authority}")
    return ConsoleInfo(
        console_type=_KINDS[kind],
        host=where.hostname or "",
        port=where.port or (443 if tls else 80),
        password=password.reveal(),
        websocket_url=f"{scheme}://{authority}/vms/{vm_id}/console?ticket={ticket.reveal()}",
        tls=tls,
        ticket_expires_at=time_to_wire(expires_at),
    )
