"""What can go wrong when a VM becomes a template."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class NotGeneralised(LibraryError):
    """The VM's disk holds what is its own, and VMs made of the template would have it too."""

    code = "capture.not_generalised"
    kind = Kind.PRECONDITION
    remedy_default = "Let it be cleaned (without --no-clean), or capture it as it is with --force."


class CannotClean(LibraryError):
    """The VM's file system cannot be changed without starting the guest, so nothing is cleaned."""

    code = "capture.cannot_clean"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Start it, run 'sudo cloud-init clean --machine-id --logs' in it, switch it off, and capture it with "
        "--no-clean; or capture it as it is with --force."
    )


class CleaningFailed(LibraryError):
    """Cleaning the copy of the VM's disk failed, or left something behind; nothing was published."""

    code = "capture.cleaning_failed"
    kind = Kind.PRECONDITION
    remedy_default = "Start the VM and look at its disk (fsck), or clean it in the guest and use --no-clean."


class CleanerMissing(LibraryError):
    """The programs that change a file system without mounting it are not installed on the node."""

    code = "capture.cleaner_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install them: apt-get install e2fsprogs."
