"""What went wrong with a fetch, in words, and whether another try may cure it."""

from __future__ import annotations

import asyncio
import os
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
from image_library.node.adapters.fetcher.proxies import named
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
    if status == 407 and hop.proxy:
        return _proxy_refuses(hop, status)
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
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refuses(hop, error.status)
    if isinstance(error, aiohttp.ClientResponseError):
        return TryAgain(BadLength(f"{hop.host} sent an answer that is no valid HTTP ({error.message[:80]})."))
    # Who it is that is connected to.
    asked = f"The proxy {named(hop.proxy)}" if hop.proxy else hop.host
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TryAgain(SourceUnreachable(f"{asked} is not known to the name service."))
    if isinstance(error, asyncio.TimeoutError):
        through = f" through the proxy {named(hop.proxy)}" if hop.proxy else ""
        return TryAgain(SourceUnreachable(f"{hop.host} does not answer{through}."))
    if isinstance(error, aiohttp.ClientConnectorError):
        return TryAgain(SourceUnreachable(f"{asked} cannot be reached: {_why(error.os_error)}."))
    return TryAgain(SourceUnreachable(f"The connection to {hop.host} broke."))


def _why(error: OSError) -> str:
    """Not the error's own words, where the HTTP library and the event loop put addresses."""
    if error.errno:
        return os.strerror(error.errno).lower()
    closed = isinstance(error, ConnectionError)
    return "it closed the connection at once" if closed else "there is no connection"


def _proxy_refuses(hop: Hop, status: int) -> LibraryError | TryAgain:
    """The meaning of a proxy's own answer."""
    proxy = f"The proxy {named(hop.proxy)}"
    if status == 407:
        return SourceRefused(
            f"{proxy} wants a user and a password (HTTP 407).",
            remedy="Name them in the node's environment: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT.",
        )
    if status in (408, 425, 429) or status >= 500:
        return TryAgain(SourceUnreachable(f"{proxy} cannot reach {hop.host} now (HTTP {status})."))
    return SourceRefused(
        f"{proxy} does not let this node reach {hop.host} (HTTP {status}).",
        remedy="Ask whoever runs the proxy; NO_PROXY names hosts that are reached without it.",
    )


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
