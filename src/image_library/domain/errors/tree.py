"""The root of every error that a user can meet, and how one is rebuilt from its code."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What a caller may do about an error; one RPC code each (see ``wire.errors``)."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    EXISTS = "exists"
    PRECONDITION = "precondition"
    EXHAUSTED = "exhausted"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"


class LibraryError(Exception):
    """The base of every error that reaches a user."""

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL
    remedy_default: ClassVar[str] = "Look into the server's log; please report this."

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy or self.remedy_default
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Internal(LibraryError):
    """Something that should not happen; the details are in the server's log only."""


def printable(text: str, limit: int = 120) -> str:
    """``text`` with control characters escaped and cut to ``limit`` characters, for messages."""
    plain = text.isprintable()
    cleaned = text if plain else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def all_errors() -> Iterator[type[LibraryError]]:
    """Every concrete error class, in the order of this file."""
    waiting = [LibraryError]
    while waiting:
        for child in waiting.pop(0).__subclasses__():
            yield child
            waiting.append(child)


def rebuild(code: str, message: str, *, remedy: str = "", field: str = "") -> LibraryError:
    """The error that another process described by its code; an unknown code becomes ``Internal``."""
    known = {cls.code: cls for cls in all_errors()}
    return known.get(code, Internal)(message, remedy=remedy, field=field)
