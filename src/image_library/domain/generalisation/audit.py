"""What was found of a guest on its disk, and what is said of it before it becomes a template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from image_library.domain.errors import printable
from image_library.domain.generalisation.marks import MARKS, Action, Mark
from image_library.domain.preflight import Finding, Severity
from image_library.domain.preflight.finding import amber, green, red

# File systems that are changed without mounting them.
CLEANED = frozenset({"ext2", "ext3", "ext4"})
_IN_GUEST = "sudo cloud-init clean --logs"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One file, link or folder that a mark of the table means."""

    code: str
    # Absolute, in the guest.
    path: str
    # "file", "folder", "link" or "other".
    kind: str = "file"


@dataclass(frozen=True, kw_only=True)
class GuestAudit:
    """What was read from a disk."""

    # Of its root file system, such as "ext4"; empty where none was found.
    file_system: str = ""
    # Where that begins, in bytes.
    offset: int = 0
    traces: tuple[Trace, ...] = ()
    cloud_init: bool = False
    # How many further file systems it has that were not looked at.
    unseen: int = 0
    # Why nothing, or not everything, could be read.
    reason: str = ""

    @property
    def cleanable(self) -> bool:
        return self.file_system in CLEANED

    @property
    def to_clean(self) -> tuple[Trace, ...]:
        acted = {mark.code for mark in MARKS if mark.action is not Action.KEEP}
        return tuple(trace for trace in self.traces if trace.code in acted)


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The findings, the gravest first, and whether cleaning would do anything about them."""

    findings: tuple[Finding, ...]
    cleanable: bool = False
    file_system: str = ""

    @property
    def blockers(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.RED)

    @property
    def left(self) -> tuple[str, ...]:
        """The codes of all that is not as it should be."""
        return tuple(f.code for f in self.findings if f.severity is not Severity.GREEN)


_ORDER = {Severity.RED: 0, Severity.AMBER: 1, Severity.GREEN: 2}


def reported(audit: GuestAudit, *, runs: bool = False) -> AuditReport:
    """``runs``: its guest goes on writing while it is read."""
    findings = sorted(_findings(audit, runs=runs), key=lambda finding: _ORDER[finding.severity])
    return AuditReport(
        findings=tuple(findings), cleanable=audit.cleanable, file_system=printable(audit.file_system)
    )


def _findings(audit: GuestAudit, *, runs: bool) -> Iterator[Finding]:
    if runs:
        yield amber(
            "running",
            "The VM runs: this is what its disk showed by now, and some of it may not be true any more.",
            "Capturing it looks again, when it stands still.",
        )
    if audit.reason or not audit.file_system:
        why = printable(audit.reason, 300) or "No operating system was found on it."
        yield red("unread", f"Not all of its disk could be read: {why}", "Look at it in the guest.")
    found = False
    for mark in MARKS:
        # Folders go along with what is in them; empty ones say nothing of anybody.
        paths = [trace.path for trace in audit.traces if trace.code == mark.code and trace.kind != "folder"]
        if paths:
            found = found or mark.severity is not Severity.GREEN
            yield _finding(mark, paths, cleanable=audit.cleanable)
    if audit.unseen:
        what = "one more file system" if audit.unseen == 1 else f"{audit.unseen} more file systems"
        yield amber("unseen", f"It has {what}, which nobody looked at.", "Look at them in the guest.")
    if audit.file_system and not audit.cloud_init:
        yield amber(
            "no-cloud-init",
            "It has no cloud-init, which would give each VM a name, keys and host keys of its own.",
            "Install cloud-init in it, or see to these yourself.",
        )
    if audit.file_system and not audit.reason and not found:
        yield green("generalised", "Nothing of this guest's own was found.")


def _finding(mark: Mark, paths: list[str], *, cleanable: bool) -> Finding:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    message = f"It holds {mark.meaning} ({printable(paths[0], 120)}{more})."
    if mark.severity is Severity.GREEN:
        return green(mark.code, message)
    return Finding(
        severity=mark.severity, code=mark.code, message=message, fix=_fix(mark, cleanable=cleanable)
    )


def _fix(mark: Mark, *, cleanable: bool) -> str:
    if mark.action is Action.KEEP:
        return mark.fix
    if cleanable:
        done = "Removed from" if mark.action is Action.REMOVE else "Emptied in"
        return f"{done} the template by cleaning; the VM keeps it."
    return f"Remove it in the guest; '{_IN_GUEST}' does most of this."
