"""What proving that an image boots can come to."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class BootUnproved(LibraryError):
    """An image was to be made public that was not proved to boot, and the project demands that."""

    code = "image.boot_unproved"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Prove it first: 'limiquantix images prove NAME'; "
        "or let the operator change require_boot_proof (docs/boot-proof.md)."
    )


class BootProofFailed(LibraryError):
    """A throw-away VM of the image did not come up as it should."""

    code = "image.boot_failed"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Look at the end of its console: 'limiquantix images show NAME'; "
        "give a slow guest more time with --timeout."
    )


class BootProofInterrupted(LibraryError):
    """The node was restarted while it proved an image; that says nothing of the image."""

    code = "image.boot_interrupted"
    kind = Kind.ABORTED
    remedy_default = "Begin anew: 'limiquantix images prove NAME'."


class LoginMissing(LibraryError):
    """The node has no program to log in to a guest with."""

    code = "node.ssh_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it on the node: 'apt install openssh-client'."
