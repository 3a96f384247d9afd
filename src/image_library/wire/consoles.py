"""Consoles on the wire between control plane and nodes."""

from __future__ import annotations

from image_library.domain.console import Admission, ConsoleKind
from image_library.domain.errors import InvalidRequest
from limiquantix.node.v1 import node_daemon_pb as pb

_KINDS = {
    ConsoleKind.SERIAL: pb.ConsoleKind.SERIAL,
    ConsoleKind.DISPLAY: pb.ConsoleKind.DISPLAY,
}
_KINDS_BACK = {wire: kind for kind, wire in _KINDS.items()}


def first_input(vm_id: str, admission: Admission) -> pb.ConsoleInput:
    return pb.ConsoleInput(vm_id=vm_id, kind=_KINDS[admission.kind], password=admission.password.reveal())


def kind_from_wire(message: pb.ConsoleInput) -> ConsoleKind:
    """Raises InvalidRequest: a kind that nobody knows."""
    kind = _KINDS_BACK.get(message.kind)
    if kind is None:
        raise InvalidRequest("The kind of console is not known.", field="kind")
    return kind
