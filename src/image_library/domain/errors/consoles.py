"""Why a console is not to be had, or ends."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class ConsoleMissing(LibraryError):
    """The VM has no console of this kind."""

    code = "vm.console_missing"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Stop the VM and start it again: what it was started without it has then. Its serial console: "
        "'limiquantix vms console NAME'."
    )


class ConsoleTicket(LibraryError):
    """A console's ticket is unknown, was used, is of another VM, or its time is over."""

    code = "vm.console_ticket"
    kind = Kind.DENIED
    remedy_default = "Ask for a new one: VMService.GetConsole. It opens one console, once, for half a minute."


class ConsoleIdle(LibraryError):
    """Nothing was written on a console and nothing typed for half an hour."""

    code = "vm.console_idle"
    kind = Kind.ABORTED
    remedy_default = "Open it again."


class ConsolesFull(LibraryError):
    """More consoles are open at once than the server carries."""

    code = "vm.consoles_full"
    kind = Kind.EXHAUSTED
    remedy_default = "Close some of them."
