"""What cannot be done with a VM's disk or its snapshots."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class VmBusy(LibraryError):
    """Work on the VM's disk is going on."""

    code = "vm.busy"
    kind = Kind.PRECONDITION
    remedy_default = "Wait until it is done, or cancel it: 'limiquantix vms cancel NAME'."


class DiskTaskInterrupted(LibraryError):
    """The node was ended while it worked on the VM's disk; the disk is as it was before."""

    code = "vm.disk_task_interrupted"
    kind = Kind.ABORTED
    remedy_default = "Begin it again if it is still wanted."


class DiskShrinks(LibraryError):
    """The disk is larger than was asked for, and disks never shrink."""

    code = "vm.disk_shrinks"
    kind = Kind.INVALID
    remedy_default = "Ask for more than it has, or make a smaller VM and copy the files over."


class UnknownSnapshot(LibraryError):
    """The VM has no snapshot of this name."""

    code = "vm.snapshot_unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix vms snapshots list NAME'."


class SnapshotExists(LibraryError):
    """The VM has a snapshot of this name, or as many as it may have."""

    code = "vm.snapshot_exists"
    kind = Kind.EXISTS
    remedy_default = (
        "Choose another name, or delete the old one: 'limiquantix vms snapshots delete NAME SNAPSHOT'."
    )


class RebaseRefused(LibraryError):
    """The VM's disk cannot be put on that version of its image."""

    code = "vm.rebase_refused"
    kind = Kind.PRECONDITION
    remedy_default = "Look what would be done: 'limiquantix vms rebase NAME --dry-run'."
