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
        "Start it and let its agent clean it with --clean-in-guest; or run 'sudo cloud-init clean --logs' "
        "and 'sudo truncate -s 0 /etc/machine-id' in it, switch it off, and capture it with --no-clean; or "
        "as it is with --force."
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


class AgentMissing(LibraryError):
    """The guest's agent does not answer, so its file systems cannot be frozen and nothing can run in it."""

    code = "capture.agent_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install and start qemu-guest-agent in the guest, or stop the VM and capture it then."


class AgentForbids(LibraryError):
    """The guest's agent is not allowed to do what cleaning in the guest needs, as RHEL has it."""

    code = "capture.agent_forbids"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Allow guest-exec in the guest's /etc/sysconfig/qemu-ga and restart its agent; or clean it by hand, "
        "switch it off, and capture it with --no-clean."
    )


class FreezeFailed(LibraryError):
    """The guest's file systems could not be frozen, so nothing was copied; they are thawed again."""

    code = "capture.freeze_failed"
    kind = Kind.PRECONDITION
    remedy_default = "Stop the VM and capture it then: 'limiquantix vms stop NAME'."


class FrozenTooLong(LibraryError):
    """Copying took longer than a guest may stand still; it goes on, and nothing was published."""

    code = "capture.frozen_too_long"
    kind = Kind.PRECONDITION
    remedy_default = "Stop the VM and capture it then: 'limiquantix vms stop NAME'."


class NotStill(LibraryError):
    """The VM ended, or somebody else let it go on, while its disk was copied; nothing was published."""

    code = "capture.not_still"
    kind = Kind.ABORTED
    remedy_default = "Capture it again, and leave it alone for that time."
