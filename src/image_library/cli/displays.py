"""A VM's display for viewers that people have: a loopback port, and the pictures that it shows."""

from __future__ import annotations

import ipaddress
import select
import socket
import sys
from contextlib import suppress
from pathlib import Path

from image_library.cli.console_line import meaning, open_line
from image_library.cli.output import plain
from image_library.cli.session import Session
from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.domain.console import LARGEST_FRAME, PASSWORD_SECONDS
from image_library.domain.errors import ConsoleIdle, ConsoleTicket, InvalidRequest, StorageIo, printable
from limiquantix.compute.v1.vm_pb import ConsoleInfo, GetScreenshotRequest, VirtualMachine

STDOUT = "-"
# The next one may do better.
_OF_ONE_VIEWER = (ConsoleIdle, ConsoleTicket)


def serve(session: Session, vm: VirtualMachine, listen: str) -> None:
    """Leads each viewer that connects to ``listen`` to the VM's display, one at a time, until Ctrl-C.

    Raises:
        InvalidRequest: it is no address on loopback, or is taken.
        VmNotRunning, ConsoleMissing: there is no display, or no longer.
    """
    with _listening(listen) as door:
        host, port = door.getsockname()[:2]
        session.out.note(f"Point a VNC viewer at {host}:{port}. Ctrl-C ends this; the VM goes on.")
        while True:
            viewer, _ = door.accept()
            with viewer:
                _lead(session, vm, viewer)


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        if not ipaddress.ip_address(host).is_loopback:
            raise InvalidRequest(
                "A display's viewer is led over loopback only: VNC hides nothing of what it carries.",
                remedy="Use 127.0.0.1:PORT.",
            )
        if not 0 <= int(port) < 1 << 16:
            raise ValueError("no port")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=1)
    except ValueError as error:
        raise InvalidRequest(
            f"--listen '{printable(listen)}' is not HOST:PORT.", remedy="Use 127.0.0.1:PORT; port 0 is any."
        ) from error
    except OSError as error:
        raise InvalidRequest(f"Nothing can listen on {printable(listen)}: {error.strerror}.") from error


def _lead(session: Session, vm: VirtualMachine, viewer: socket.socket) -> None:
    line, password = open_line(session, vm, ConsoleInfo.ConsoleType.VNC)
    try:
        session.out.note(f"Password, once and for {PASSWORD_SECONDS} seconds: {plain(password.reveal())}")
        # A viewer that is gone ends only its own connection.
        with suppress(OSError):
            _relay(line, viewer)
    except WebSocketEnded as ended:
        why = meaning(ended)
        if not isinstance(why, _OF_ONE_VIEWER):
            raise why from None
        session.out.note(str(why))
    finally:
        line.close()
    session.out.note("The viewer is gone.")


def _relay(line: WebSocket, viewer: socket.socket) -> None:
    """Until the viewer goes, or the display lets it go, as for a wrong password."""
    with suppress(_LetGo):
        viewer.sendall(_heard(line))
        while True:
            ready, _, _ = select.select([viewer, line], [], [])
            if line in ready:
                viewer.sendall(_heard(line))
            if viewer in ready:
                data = viewer.recv(LARGEST_FRAME)
                if not data:
                    return
                line.send(data)


class _LetGo(Exception):
    """The display's server has ended the connection as it ends any."""


def _heard(line: WebSocket) -> bytes:
    try:
        return line.receive()
    except WebSocketEnded as ended:
        if ended.code == 1000:
            raise _LetGo from ended
        raise


def take_picture(session: Session, vm: VirtualMachine, file: str | None, *, force: bool) -> None:
    """Writes what the display shows to a PNG file: NAME.png where none is named, "-" is stdout.

    Raises:
        InvalidRequest: there is a file already.
        VmNotRunning, ConsoleMissing: there is no display.
    """
    target = Path(file or Path(vm.name or vm.id).name + ".png")
    if file != STDOUT and target.exists() and not force:
        raise InvalidRequest(
            f"{printable(str(target))} is there already.", remedy="Use --force to replace it."
        )
    shown = session.library.vms.get_screenshot(GetScreenshotRequest(vm_id=vm.id))
    if file == STDOUT:
        sys.stdout.buffer.write(shown.data)
        sys.stdout.buffer.flush()
        return
    try:
        target.write_bytes(shown.data)
    except OSError as error:
        raise StorageIo(f"{printable(str(target))} cannot be written: {error.strerror}.") from error
    facts = {"file": str(target), "contentType": shown.content_type}
    if session.json:
        vm_facts = {"id": vm.id, "name": vm.name}
        session.out.document({"vm": vm_facts, **facts, "width": shown.width, "height": shown.height})
    else:
        session.out.line(f"{target}: {shown.width} x {shown.height}")
