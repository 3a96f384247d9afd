"""What went wrong with a fetch, in words, and whether another try may cure it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp

from image_library.domain.errors import (
    BadLength,
    LibraryError,
    SourceNotFound,
    SourceRefused,
    SourceTls,
    SourceUnreachable,
)
from image_library.node.adapters.fetcher.policy import Hop
from image_library.node.adapters.fetcher.tls_words import certificate_reason, handshake_reason


class TryAgain(Exception):
    """This attempt failed; ``last_word`` is the error if no other succeeds."""

    def __init__(self, last_word: LibraryError, *, wait: float | None = None) -> None:
        super().__init__(str(last_word))
        self.last_word = last_word
        # Seconds that the source asked for.
        self.wait = wait


def from_status(hop: Hop, status: int, *, wait: float | None) -> LibraryError | TryAgain:
    """The meaning of an answer that carries no file."""
    if status in (404, 410):
        return SourceNotFound(f"{hop.shown} is not there (HTTP {status}).")
    if status in (408, 425, 429) or status >= 500:
        busy = SourceUnreachable(f"{hop.host} cannot answer now (HTTP {status}).")
        return TryAgain(busy, wait=wait if status in (429, 503) else None)
    return SourceRefused(f"{hop.host} refuses {hop.shown} (HTTP {status}).")


def from_exception(hop: Hop, error: Exception) -> LibraryError | TryAgain:
    """The meaning of what the HTTP library raised."""
    for cause in _chain(error):
        if isinstance(cause, LibraryError):
            return cause
        if reason := certificate_reason(cause, now=datetime.now(UTC)):
            return SourceTls(f"The certificate of {hop.host} is not accepted: {reason}.")
    if isinstance(error, aiohttp.ClientSSLError):
        return SourceTls(f"There is no secure connection to {hop.host}: {_tls_reason(error)}.")
    if isinstance(error, aiohttp.ClientResponseError):
        return TryAgain(BadLength(f"{hop.host} sent an answer that is no valid HTTP ({error.message[:80]})."))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TryAgain(SourceUnreachable(f"{hop.host} is not known to the name service."))
    if isinstance(error, asyncio.TimeoutError):
        return TryAgain(SourceUnreachable(f"{hop.host} does not answer."))
    if isinstance(error, aiohttp.ClientConnectorError):
        why = (error.os_error.strerror or "no connection").lower()
        return TryAgain(SourceUnreachable(f"{hop.host} cannot be reached: {why}."))
    return TryAgain(SourceUnreachable(f"The connection to {hop.host} broke."))


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return found


def _tls_reason(error: aiohttp.ClientSSLError) -> str:
    reasons = (handshake_reason(cause) for cause in _chain(error))
    return next(filter(None, reasons), "the handshake failed")
