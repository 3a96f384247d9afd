"""Findings on the wire: green is INFO, amber WARNING, red BLOCKER."""

from __future__ import annotations

from image_library.domain.preflight import Finding, Severity
from limiquantix.compute.v1 import vm_pb as pb

SEVERITIES = {
    Severity.GREEN: pb.Finding.Severity.INFO,
    Severity.AMBER: pb.Finding.Severity.WARNING,
    Severity.RED: pb.Finding.Severity.BLOCKER,
}


def preflight_to_wire(findings: tuple[Finding, ...]) -> pb.PreflightReport:
    return pb.PreflightReport(
        findings=[
            pb.Finding(
                code=finding.code,
                severity=SEVERITIES[finding.severity],
                message=finding.message,
                remedy=finding.fix,
                field=finding.field,
            )
            for finding in findings
        ]
    )
