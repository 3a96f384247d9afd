"""Printing what a VM wrote on its serial console, and what it writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from image_library.cli.console import Harmless
from image_library.cli.session import Session
from image_library.cli.streams import attended
from limiquantix.compute.v1.vm_pb import ReadConsoleRequest, VirtualMachine


def show(session: Session, vm: VirtualMachine, *, follow: bool, lines: int | None, raw: bool) -> None:
    """Prints what there is, and with ``follow`` what comes, until ctrl-C. --json prints one document."""
    kept, end = _there(session, vm)
    shown = kept if lines is None else _last_lines(kept, lines)
    harmless = Harmless()
    if session.json:
        console = harmless.feed(shown) + harmless.finish()
        session.out.document({"vm": {"id": vm.id, "name": vm.name}, "console": console})
        return
    for data in _pieces(session, vm, shown, end, follow=follow):
        if raw:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            _write(harmless.feed(data))
    if not raw:
        _write(harmless.finish())


def _there(session: Session, vm: VirtualMachine) -> tuple[bytes, int]:
    """What there is, and the offset of its end. The node keeps some mebibytes at the most."""
    kept, end = bytearray(), 0
    for output in attended(session.library.vms.read_console(ReadConsoleRequest(vm_id=vm.id))):
        kept += output.data
        end = output.offset + len(output.data)
    return bytes(kept), end


def _pieces(session: Session, vm: VirtualMachine, shown: bytes, end: int, *, follow: bool) -> Iterator[bytes]:
    yield shown
    if follow:
        request = ReadConsoleRequest(vm_id=vm.id, offset=end, follow=True)
        for output in attended(session.library.vms.read_console(request)):
            yield output.data


def _last_lines(text: bytes, count: int) -> bytes:
    """The last ``count`` lines; one that has no end yet is a line too."""
    whole = text.splitlines(keepends=True)
    return b"".join(whole[len(whole) - min(count, len(whole)) :])


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
