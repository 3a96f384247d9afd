"""Will this VM come up? Everything that can be told beforehand, as findings of three colours."""

from __future__ import annotations

from image_library.domain.preflight.checks import look
from image_library.domain.preflight.finding import Finding, Severity
from image_library.domain.preflight.subject import Problem, Subject

__all__ = ["Finding", "Problem", "Severity", "Subject", "look"]
