"""The way to one of a VM's consoles: a ticket, and the WebSocket that it opens (docs/consoles.md)."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from image_library.cli.output import plain
from image_library.cli.session import Session
from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.domain.errors import (
    ConsoleIdle,
    ConsoleMissing,
    ConsolesFull,
    ConsoleTicket,
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    ServerUnreachable,
    UnknownVm,
    VmNotRunning,
)
from image_library.domain.secret import Secret
from limiquantix.compute.v1.vm_pb import ConsoleInfo, GetConsoleRequest, VirtualMachine

# docs/consoles.md has the table.
_MEANINGS: dict[int, type[LibraryError]] = {
    4400: InvalidRequest,
    4401: ConsoleTicket,
    4404: UnknownVm,
    4408: ConsoleIdle,
    4409: VmNotRunning,
    4410: ConsoleMissing,
    4429: ConsolesFull,
    4503: NodeUnreachable,
}


def open_line(
    session: Session, vm: VirtualMachine, kind: ConsoleInfo.ConsoleType
) -> tuple[WebSocket, Secret]:
    """The open console, and what a display asks for.

    Raises:
        VmNotRunning, ConsoleMissing: it does not run, or has no such console.
    """
    server = session.library.server
    told = session.library.vms.get_console(GetConsoleRequest(vm_id=vm.id, console_type=kind))
    headers = {"authorization": f"Bearer {server.token}"} if server.token else {}
    url = _where(server.url, told.websocket_url)
    line = WebSocket.open(url, headers=headers, ca_file=server.ca_file, patience=server.patience)
    return line, Secret(told.password)


def meaning(ended: WebSocketEnded) -> LibraryError:
    """Why the other side ended it."""
    kind = _MEANINGS.get(ended.code, ServerUnreachable)
    said = plain(ended.reason).partition(". ")[0].removesuffix(".")
    return kind(f"The console ended: {said or 'the server hung up'}.")


def _where(server: str, told: str) -> str:
    """The told path at the server that we talk to: our token goes nowhere else."""
    ours, theirs = urlsplit(server), urlsplit(told)
    scheme = "wss" if ours.scheme == "https" else "ws"
    return urlunsplit((scheme, ours.netloc, theirs.path, theirs.query, ""))
