"""What makes a guest this one guest and must not go into a template: what, where, and what becomes of it."""

from image_library.domain.generalisation.audit import AuditReport, GuestAudit, Trace, reported
from image_library.domain.generalisation.marks import ANYTHING, MARKS, Action, Mark
from image_library.domain.generalisation.script import cleaning_script

__all__ = [
    "ANYTHING",
    "MARKS",
    "Action",
    "AuditReport",
    "GuestAudit",
    "Mark",
    "Trace",
    "cleaning_script",
    "reported",
]
