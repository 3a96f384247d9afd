"""Sitting at a VM's serial console: keys go there, what comes is shown, Ctrl-] leaves."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager

from image_library.cli.console_line import meaning, open_line
from image_library.cli.output import plain
from image_library.cli.session import Session
from image_library.cli.web_socket import WebSocket, WebSocketEnded
from image_library.domain.console import LARGEST_FRAME
from limiquantix.compute.v1.vm_pb import ConsoleInfo, VirtualMachine

LEAVE = b"\x1d"
_BLOCK = 4096


def sit_at(session: Session, vm: VirtualMachine) -> None:
    """Until Ctrl-] is pressed, standard input ends, or the console does.

    Raises:
        VmNotRunning: it does not run, or stopped meanwhile.
    """
    line, _ = open_line(session, vm, ConsoleInfo.ConsoleType.SERIAL)
    try:
        session.out.note(f"Connected to {plain(vm.name)}. Ctrl-] leaves; the VM goes on.")
        with _raw(sys.stdin.fileno()):
            _relay(line, sys.stdin.fileno(), sys.stdout.fileno())
    except WebSocketEnded as ended:
        raise meaning(ended) from None
    finally:
        line.close()
    session.out.note("\nLeft the console.")


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
