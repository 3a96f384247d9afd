"""The audit before a VM becomes a template on the wire."""

from __future__ import annotations

from image_library.domain.generalisation import AuditReport
from image_library.domain.guest_facts import tidy
from image_library.domain.preflight import Finding, Severity
from image_library.wire.preflight import SEVERITIES, preflight_to_wire
from limiquantix.compute.v1 import vm_pb as pb

_SEVERITIES_BACK = {wire: severity for severity, wire in SEVERITIES.items()}
_MOST_FINDINGS = 256


def audit_to_wire(report: AuditReport) -> pb.AuditReport:
    return pb.AuditReport(
        findings=preflight_to_wire(report.findings).findings,
        cleanable=report.cleanable,
        file_system=report.file_system,
    )


def audit_from_wire(message: pb.AuditReport) -> AuditReport:
    """What a node says; texts are made fit for messages, and an unknown severity is grave."""
    findings = tuple(
        Finding(
            severity=_SEVERITIES_BACK.get(finding.severity, Severity.RED),
            code=tidy(finding.code),
            message=tidy(finding.message),
            fix=tidy(finding.remedy),
        )
        for finding in message.findings[:_MOST_FINDINGS]
    )
    return AuditReport(findings=findings, cleanable=message.cleanable, file_system=tidy(message.file_system))
