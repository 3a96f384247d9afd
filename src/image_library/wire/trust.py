"""Trust levels and the evidence for them on the wire."""

from __future__ import annotations

from image_library.domain.guest_facts import tidy
from image_library.domain.hardware import Hardware
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.trust import Evidence, TrustLevel
from image_library.wire.enums import known
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.storage.v1 import trust_pb

_LEVELS = {level.value: level for level in TrustLevel}
# There are far fewer marks than this.
_MOST_LEFT = 64


def trust_to_wire(level: TrustLevel) -> trust_pb.TrustLevel:
    return trust_pb.TrustLevel(level.value)


def trust_from_wire(number: trust_pb.TrustLevel) -> TrustLevel:
    """The level; one that is unspecified or unknown proves nothing."""
    return _LEVELS.get(int(number), TrustLevel.UNVERIFIED)


def exact_trust(number: trust_pb.TrustLevel) -> TrustLevel:
    """The level with this number. Raises InvalidRequest."""
    return known(int(number), _LEVELS, field="trust_levels")


def evidence_to_wire(evidence: Evidence | None) -> trust_pb.TrustEvidence | None:
    if evidence is None:
        return None
    return trust_pb.TrustEvidence(
        level=trust_to_wire(evidence.level),
        algorithm=evidence.algorithm,
        expected=evidence.expected,
        actual=evidence.actual,
        source=evidence.source,
        key_fingerprint=evidence.key_fingerprint,
        key_owner=evidence.key_owner,
        verified_at=time_to_wire(evidence.verified_at),
        node_id=evidence.node_id,
    )


def evidence_from_wire(message: trust_pb.TrustEvidence | None) -> Evidence | None:
    """The evidence; an unspecified or unknown level proves nothing."""
    if message is None:
        return None
    return Evidence(
        level=trust_from_wire(message.level),
        algorithm=message.algorithm,
        expected=message.expected,
        actual=message.actual,
        source=message.source,
        key_fingerprint=message.key_fingerprint,
        key_owner=message.key_owner,
        verified_at=time_from_wire(message.verified_at),
        node_id=message.node_id,
    )


def source_to_wire(source: ConvertedFrom | None) -> trust_pb.ConvertedFrom | None:
    if source is None:
        return None
    return trust_pb.ConvertedFrom(
        format=source.format,
        packing=source.packing,
        digest=source.digest,
        size_bytes=source.size_bytes,
        sha512=source.sha512,
        shape=source.shape,
        trust=trust_to_wire(source.trust) if source.trust else trust_pb.TrustLevel.UNSPECIFIED,
        hardware=_hardware_to_wire(source.hardware),
        captured=_captured_to_wire(source.captured),
    )


def source_from_wire(message: trust_pb.ConvertedFrom | None) -> ConvertedFrom | None:
    """What a node says that an image was made of; texts are made fit for messages and tables."""
    if message is None or not (message.digest or message.captured):
        return None
    return ConvertedFrom(
        format=tidy(message.format),
        packing=tidy(message.packing),
        digest=tidy(message.digest),
        size_bytes=message.size_bytes,
        sha512=tidy(message.sha512),
        shape=tidy(message.shape),
        trust=_LEVELS.get(int(message.trust)),
        hardware=_hardware_from_wire(message.hardware),
        captured=_captured_from_wire(message.captured),
    )


def _captured_to_wire(captured: CapturedFrom | None) -> trust_pb.CapturedFrom | None:
    if captured is None:
        return None
    return trust_pb.CapturedFrom(
        vm_id=captured.vm_id,
        vm_name=captured.vm_name,
        cleaned=captured.cleaned,
        left=list(captured.left),
        frozen=captured.frozen,
    )


def _captured_from_wire(message: trust_pb.CapturedFrom | None) -> CapturedFrom | None:
    if message is None:
        return None
    return CapturedFrom(
        vm_id=tidy(message.vm_id),
        vm_name=tidy(message.vm_name),
        cleaned=message.cleaned,
        left=tuple(tidy(code) for code in message.left[:_MOST_LEFT]),
        frozen=message.frozen,
    )


def _hardware_to_wire(hardware: Hardware | None) -> trust_pb.ApplianceHardware | None:
    if hardware is None:
        return None
    return trust_pb.ApplianceHardware(
        cpus=hardware.cpus,
        memory_mib=hardware.memory_mib,
        firmware=hardware.firmware,
        disk_capacity_bytes=hardware.disk_capacity_bytes,
        os_type=hardware.os_type,
        network_cards=hardware.network_cards,
    )


def _hardware_from_wire(message: trust_pb.ApplianceHardware | None) -> Hardware | None:
    if message is None:
        return None
    return Hardware(
        cpus=message.cpus,
        memory_mib=message.memory_mib,
        firmware=tidy(message.firmware),
        disk_capacity_bytes=message.disk_capacity_bytes,
        os_type=tidy(message.os_type),
        network_cards=message.network_cards,
    )
