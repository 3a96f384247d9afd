"""The one table from errors to exit codes; docs/exit-codes.md is made from it."""

from __future__ import annotations

from enum import IntEnum

from image_library.domain.errors import BootTimeout, CloudInitFailed, Kind, LibraryError


class ExitCode(IntEnum):
    """What a script can tell from the exit status."""

    OK = 0
    INVALID = 2
    NOT_FOUND = 3
    EXISTS = 4
    PRECONDITION = 5
    EXHAUSTED = 6
    REFUSED = 7
    UNAVAILABLE = 8
    DATA_LOSS = 9
    GUEST = 10
    CANCELLED = 11
    UNIMPLEMENTED = 12
    CHANGED = 13
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "Done.",
    ExitCode.INVALID: "Bad input: an option, a name, a size, a key or a setting that cannot be used.",
    ExitCode.NOT_FOUND: "No image, VM, node or job like this.",
    ExitCode.EXISTS: "The name is taken.",
    ExitCode.PRECONDITION: "Not possible as things are: in use, not ready, not writable, a program missing.",
    ExitCode.EXHAUSTED: "No space, or a limit is reached.",
    ExitCode.REFUSED: "The token is missing or wrong, or the server does not allow it.",
    ExitCode.UNAVAILABLE: "The server, a node or a publisher does not answer; trying again later may help.",
    ExitCode.DATA_LOSS: "The bytes are not the publisher's, or a stored image is damaged.",
    ExitCode.GUEST: "The VM runs, but its guest did not come up in time or cloud-init reports errors.",
    ExitCode.CANCELLED: "The job was cancelled.",
    ExitCode.UNIMPLEMENTED: "The server does not know this operation.",
    ExitCode.CHANGED: "Somebody else changed it meanwhile; look at it again.",
    ExitCode.INTERNAL: "A fault of limiquantix or the hypervisor; the server's log has the details.",
    ExitCode.INTERRUPTED: "Interrupted with ctrl-C; work at the server goes on.",
}

BY_KIND: dict[Kind, ExitCode] = {
    Kind.INVALID: ExitCode.INVALID,
    Kind.NOT_FOUND: ExitCode.NOT_FOUND,
    Kind.EXISTS: ExitCode.EXISTS,
    Kind.PRECONDITION: ExitCode.PRECONDITION,
    Kind.EXHAUSTED: ExitCode.EXHAUSTED,
    Kind.UNAUTHENTICATED: ExitCode.REFUSED,
    Kind.DENIED: ExitCode.REFUSED,
    Kind.UNAVAILABLE: ExitCode.UNAVAILABLE,
    Kind.DATA_LOSS: ExitCode.DATA_LOSS,
    Kind.CANCELLED: ExitCode.CANCELLED,
    Kind.UNIMPLEMENTED: ExitCode.UNIMPLEMENTED,
    Kind.ABORTED: ExitCode.CHANGED,
    Kind.INTERNAL: ExitCode.INTERNAL,
}


def exit_code(error: LibraryError) -> ExitCode:
    """The exit code of ``error``; trouble inside a guest has one of its own."""
    if isinstance(error, BootTimeout | CloudInitFailed):
        return ExitCode.GUEST
    return BY_KIND[error.kind]


def table() -> str:
    """The codes as a Markdown table."""
    rows = [f"| {int(code)} | {MEANINGS[code]} |" for code in ExitCode]
    return "\n".join(["| Code | Meaning |", "|---:|---|", *rows])
