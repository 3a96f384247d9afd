"""What guests say of themselves, on the wire; the same from node to control plane and on to clients."""

from __future__ import annotations

from collections.abc import Iterable

from image_library.domain.errors import InvalidSshKey
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.ssh_key import parse_public_key
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.compute.v1 import guest_pb as pb


def guest_to_wire(guest: GuestReport | None) -> pb.GuestReport | None:
    if guest is None:
        return None
    return pb.GuestReport(
        instance_id=guest.instance_id,
        hostname=guest.hostname,
        host_keys=[_key_to_wire(line) for line in guest.host_keys],
        reported_at=time_to_wire(guest.reported_at),
    )


def guest_from_wire(message: pb.GuestReport | None) -> GuestReport | None:
    """Keys that this version would not take are left out."""
    if message is None:
        return None
    return GuestReport(
        instance_id=message.instance_id,
        hostname=message.hostname,
        host_keys=tuple(key.line for key in message.host_keys if _is_key(key.line)),
        reported_at=time_from_wire(message.reported_at),
    )


def failures_to_wire(failures: Iterable[ModuleFailure]) -> list[pb.ModuleFailure]:
    return [pb.ModuleFailure(module=f.module, lines=list(f.lines)) for f in failures]


def failures_from_wire(messages: Iterable[pb.ModuleFailure]) -> tuple[ModuleFailure, ...]:
    return tuple(ModuleFailure(module=m.module, lines=tuple(m.lines)) for m in messages)


def _key_to_wire(line: str) -> pb.SshHostKey:
    key = parse_public_key(line)
    return pb.SshHostKey(algorithm=key.algorithm, fingerprint=key.fingerprint, line=key.line)


def _is_key(line: str) -> bool:
    try:
        parse_public_key(line)
    except InvalidSshKey:
        return False
    return True
