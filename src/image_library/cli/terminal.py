"""Sitting at a VM's serial console: keys go there, what comes is shown, Ctrl-] leaves."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from image_library.cli.output import plain
from image_library.cli.session import Session
from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.domain.console import LARGEST_FRAME
from image_library.domain.errors import (
    ConsoleIdle,
    ConsolesFull,
    ConsoleTicket,
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    ServerUnreachable,
    UnknownVm,
    VmNotRunning,
)
from limiquantix.compute.v1.vm_pb import ConsoleInfo, GetConsoleRequest, VirtualMachine

LEAVE = b"\x1d"
_BLOCK = 4096
# docs/consoles.md has the table.
_MEANINGS: dict[int, type[LibraryError]] = {
    4400: InvalidRequest,
    4401: ConsoleTicket,
    4404: UnknownVm,
    4408: ConsoleIdle,
    4409: VmNotRunning,
    4429: ConsolesFull,
    4503: NodeUnreachable,
}


def sit_at(session: Session, vm: VirtualMachine) -> None:
    """Until Ctrl-] is pressed, standard input ends, or the console does.

    Raises:
        VmNotRunning: it does not run, or stopped meanwhile.
    """
    server = session.library.server
    wish = GetConsoleRequest(vm_id=vm.id, console_type=ConsoleInfo.ConsoleType.SERIAL)
    url = _where(server.url, session.library.vms.get_console(wish).websocket_url)
    headers = {"authorization": f"Bearer {server.token}"} if server.token else {}
    line = WebSocket.open(url, headers=headers, ca_file=server.ca_file, patience=server.patience)
    try:
        session.out.note(f"Connected to {plain(vm.name)}. Ctrl-] leaves; the VM goes on.")
        with _raw(sys.stdin.fileno()):
            _relay(line, sys.stdin.fileno(), sys.stdout.fileno())
    except WebSocketEnded as ended:
        raise _meaning(ended) from None
    finally:
        line.close()
    session.out.note("\nLeft the console.")


def _where(server: str, told: str) -> str:
    """The told path at the server that we talk to: our token goes nowhere else."""
    ours, theirs = urlsplit(server), urlsplit(told)
    scheme = "wss" if ours.scheme == "https" else "ws"
    return urlunsplit((scheme, ours.netloc, theirs.path, theirs.query, ""))


def _relay(line: WebSocket, keys: int, screen: int) -> None:
    _write(screen, line.receive())
    while True:
        ready, _, _ = select.select([keys, line], [], [])
        if line in ready:
            _write(screen, line.receive())
        if keys in ready:
            typed = os.read(keys, min(_BLOCK, LARGEST_FRAME))
            before, leave, _ = typed.partition(LEAVE)
            if before:
                line.send(before)
            if leave or not typed:
                return


def _write(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data) :]


@contextmanager
def _raw(keys: int) -> Generator[None]:
    """Every key goes to the guest, Ctrl-C too. What is no terminal is read as it is."""
    if not os.isatty(keys):
        yield
        return
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _meaning(ended: WebSocketEnded) -> LibraryError:
    kind = _MEANINGS.get(ended.code, ServerUnreachable)
    said = plain(ended.reason).partition(". ")[0].removesuffix(".")
    return kind(f"The console ended: {said or 'the server hung up'}.")
