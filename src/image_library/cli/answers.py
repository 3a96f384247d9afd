"""Errors of calls, as ours: whatever a server, another program behind its port, or the network answers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from image_library.domain.errors import (
    Internal,
    LibraryError,
    NotImplementedYet,
    ServerUnreachable,
    Unauthenticated,
    printable,
)

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True)
class OurErrors:
    """A client interceptor: every call raises LibraryError and nothing else.

    Without it each command would have to know how the RPC library tells its troubles.
    """

    url: str

    def intercept_unary_sync(self, call_next: Callable[[Q, Any], R], request: Q, ctx: Any, /) -> R:
        with self._translated():
            return call_next(request, ctx)

    def intercept_server_stream_sync(
        self, call_next: Callable[[Q, Any], Iterator[R]], request: Q, ctx: Any, /
    ) -> Iterator[R]:
        with self._translated():
            yield from call_next(request, ctx)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except ConnectError as error:
            raise translated(error, self.url) from error


def translated(error: ConnectError, url: str) -> LibraryError:
    """Our own error where the server sent one, else what the code or the transport tells."""
    from image_library.wire.errors import from_connect

    ours = from_connect(error)
    if ours is not None:
        return ours
    said = printable(error.message or "", 200)
    if error.code is Code.UNAUTHENTICATED:
        return Unauthenticated(f"The server at {url} does not accept the token.")
    if error.code is Code.UNIMPLEMENTED:
        return NotImplementedYet(f"The server at {url} does not know this operation.")
    if error.code is Code.DEADLINE_EXCEEDED:
        return ServerUnreachable(f"The server at {url} did not answer in time.", remedy="Try again.")
    if error.code is Code.UNAVAILABLE:
        return _unreachable(error, url)
    return Internal(
        f"The answer of {url} makes no sense: {said or error.code.value}.",
        remedy="Check that limiquantix listens there, and not another program.",
    )


def _unreachable(error: ConnectError, url: str) -> LibraryError:
    cause = error.__cause__
    if isinstance(cause, TimeoutError):
        return ServerUnreachable(f"The server at {url} did not answer in time.", remedy="Try again.")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ServerUnreachable(
            f"The certificate of {url} is not trusted: {cause.verify_message}.",
            remedy="Name the file of its authorities in LIMIQUANTIX_CA_FILE.",
        )
    if isinstance(cause, OSError) and cause.strerror:
        return ServerUnreachable(f"The server at {url} cannot be reached: {cause.strerror}.")
    return ServerUnreachable(f"The connection to {url} broke: {printable(str(cause or error.message), 200)}.")
