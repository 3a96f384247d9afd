"""Printing a VM's serial console as it comes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from image_library.cli.console import Harmless
from image_library.cli.session import Session
from image_library.cli.streams import attended
from limiquantix.compute.v1.vm_pb import ReadConsoleRequest, VirtualMachine


def show(session: Session, vm: VirtualMachine, *, follow: bool, raw: bool) -> None:
    """Prints what there is, and with ``follow`` what comes, until ctrl-C. --json prints one document."""
    request = ReadConsoleRequest(vm_id=vm.id, follow=follow and not session.json)
    harmless = Harmless()
    shown: list[str] = []
    write = shown.append if session.json else _writer(raw)
    for output in attended(session.library.vms.read_console(request)):
        if raw and not session.json:
            sys.stdout.buffer.write(output.data)
            sys.stdout.buffer.flush()
        else:
            write(harmless.feed(output.data))
    write(harmless.finish())
    if session.json:
        session.out.document({"vm": {"id": vm.id, "name": vm.name}, "console": "".join(shown)})


def _writer(raw: bool) -> Callable[[str], object]:
    def write(text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()

    def silent(text: str) -> None:
        del text

    return silent if raw else write
