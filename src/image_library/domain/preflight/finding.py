"""One thing that was looked at before a VM is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.errors import LibraryError


class Severity(Enum):
    # It is as it should be.
    GREEN = "green"
    # It may not be what was meant.
    AMBER = "amber"
    # The VM would not come up, or not as it was asked for.
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``code`` is stable; ``message`` is one sentence, ``fix`` says what to do, ``field`` where."""

    severity: Severity
    code: str
    message: str
    fix: str = ""
    field: str = ""

    @classmethod
    def of(cls, error: LibraryError) -> Finding:
        """What making the VM would be refused for."""
        return cls(
            severity=Severity.RED, code=error.code, message=error.message, fix=error.remedy, field=error.field
        )


def green(code: str, message: str) -> Finding:
    return Finding(severity=Severity.GREEN, code=code, message=message)


def amber(code: str, message: str, fix: str, field: str = "") -> Finding:
    return Finding(severity=Severity.AMBER, code=code, message=message, fix=fix, field=field)


def red(code: str, message: str, fix: str, field: str = "") -> Finding:
    return Finding(severity=Severity.RED, code=code, message=message, fix=fix, field=field)
