"""Which URLs may be fetched, through which mirror or proxy. Each redirect is judged like a first URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from image_library.domain.addresses import AllowedSources, DeniedSources, literal, why_denied
from image_library.domain.checksum import parse_digest
from image_library.domain.errors import (
    AddressDenied,
    RedirectDenied,
    UrlNotAllowed,
    printable,
)
from image_library.domain.source_url import PORTS, split_source
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.proxies import Proxies
from image_library.node.ports.fetching import Source

MOST_REDIRECTS = 5

Origin = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One request on the way to a file."""

    url: str
    host: str
    port: int
    encrypted: bool
    # How many redirects led here.
    number: int = 0
    # A proxy's URL; empty: directly.
    proxy: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without its query, where secrets hide."""
        return shown(self.url)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One URL at which a source's bytes may be had."""

    url: str
    # Its bytes count only if they have the digest that somebody else stated.
    carries: bool = False


class Routes(Protocol):
    """Where a source's request goes, and where its redirects may."""

    def ways(self, source: Source) -> tuple[Way, ...]:
        """In the order in which they are tried; at least one."""
        ...

    def first(self, url: str, *, http_will_do: bool) -> Hop: ...

    def redirected(self, hop: Hop, location: str, *, http_will_do: bool) -> Hop: ...


class LibraryRoutes:
    """To the control plane and nowhere else: a source is the digest ("sha256:HEX") of a blob of the library.

    An operator named the control plane; its address is not judged, and no mirror or proxy stands between.
    """

    def __init__(self, control_plane_url: str) -> None:
        self._base = control_plane_url.rstrip("/")

    def ways(self, source: Source) -> tuple[Way, ...]:
        return (Way(url=source.url),)

    def first(self, url: str, *, http_will_do: bool) -> Hop:
        digest = parse_digest(url, algorithm="sha256")
        parts = urlsplit(f"{self._base}/blobs/sha256/{digest.hex}")
        host, port = _origin(parts)
        return Hop(url=parts.geturl(), host=host, port=port, encrypted=parts.scheme == "https")

    def redirected(self, hop: Hop, location: str, *, http_will_do: bool) -> Hop:
        raise RedirectDenied("The control plane redirects, which it has no reason to.")


class SourcePolicy:
    def __init__(
        self,
        *,
        mirrors: Mirrors | None = None,
        allowed: AllowedSources | None = None,
        denied: DeniedSources | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        """Mirrors, proxies and what is allowed are an operator's choice and so trusted, unless denied."""
        self._allowed = allowed or AllowedSources()
        self._denied = denied or DeniedSources()
        self._proxies = proxies or Proxies()
        self._mirrors = mirrors or Mirrors()
        self._mirror_origins = frozenset(map(_origin, self._mirrors.bases))
        proxy_urls = [p for p in (self._proxies.https, self._proxies.http) if p]
        self._proxy_origins = frozenset(_origin(urlsplit(p)) for p in proxy_urls)

    def ways(self, source: Source) -> tuple[Way, ...]:
        """Those mirrors that only carry first, where a digest is known and nobody asks for fresh bytes.

        Raises:
            UrlNotAllowed
        """
        parts = split_source(source.url)
        carrying = self._mirrors.carriers(parts) if source.digest_known and not source.fresh else ()
        instead = tuple(Way(url=url) for url in self._mirrors.instead(parts))
        return (*(Way(url=url, carries=True) for url in carrying), *instead)

    def first(self, url: str, *, http_will_do: bool) -> Hop:
        """The request for the URL of a way.

        Raises:
            UrlNotAllowed, AddressDenied
        """
        return self._hop(split_source(url), number=0, http_will_do=http_will_do)

    def redirected(self, hop: Hop, location: str, *, http_will_do: bool) -> Hop:
        """The request that ``location`` asks for.

        Raises:
            RedirectDenied: there were too many, it lost its encryption, or leads where nobody may go.
            AddressDenied
        """
        number = hop.number + 1
        if number > MOST_REDIRECTS:
            raise RedirectDenied(
                f"{hop.host} redirects for the {number}th time; at most {MOST_REDIRECTS} do."
            )
        try:
            parts = split_source(_joined(hop.url, location))
            after = self._hop(parts, number=number, http_will_do=http_will_do)
        except UrlNotAllowed as error:
            raise RedirectDenied(
                f"Redirect {number}, from {hop.host}, is not followed: {error.message}"
            ) from error
        if hop.encrypted and not after.encrypted:
            raise RedirectDenied(f"Redirect {number} leads from https at {hop.host} to http at {after.host}.")
        return after

    def trusts(self, host: str, port: int) -> bool:
        """Whether any address of ``host`` will do that is not denied: an operator named it."""
        origin = (host.lower(), port)
        return origin in self._mirror_origins or origin in self._proxy_origins or self._allowed.has_host(host)

    def judge_address(self, text: str, host: str, *, trusted: bool = False) -> None:
        """Refuse an address that ``host`` was looked up to.

        Raises:
            AddressDenied
        """
        address = literal(text)
        if address is None:
            raise AddressDenied(f"{printable(host)} is at {printable(text)}, which is no address.")
        if self._denied.has_address(address):
            raise self._denied_by_operator(f"{printable(host)} at {printable(text)}")
        if trusted or self._allowed.has_address(address):
            return
        if why := why_denied(address):
            at = "is" if literal(host) == address else f"is at {printable(text)}, which is"
            raise AddressDenied(f"{printable(host)} {at} {why}.")
        if self._denied.everything_else:
            raise self._denied_by_operator(printable(host))

    def _hop(self, parts: SplitResult, *, number: int, http_will_do: bool) -> Hop:
        origin = host, port = _origin(parts)
        if parts.scheme == "http" and not (http_will_do or origin in self._mirror_origins):
            raise UrlNotAllowed(f"{host} is to be fetched from over http, and no digest is known.")
        if self._denied.has_host(host):
            raise self._denied_by_operator(host)
        direct = origin in self._mirror_origins
        proxy = "" if direct else self._proxies.proxy_for(parts.scheme, host, port)
        address, trusted = literal(host), self.trusts(host, port)
        if origin in self._proxy_origins and not (direct or self._allowed.has_host(host)):
            # It may be reached, since an operator named it; but not for what it says of itself.
            raise AddressDenied(f"{printable(host)} at port {port} is this node's proxy, and no source.")
        if address is not None:
            self.judge_address(str(address), host, trusted=trusted)
        elif proxy and self._denied.everything_else and not trusted:
            # Its address is the proxy's to look up, so that only its name can allow it.
            raise self._denied_by_operator(host)
        return Hop(
            url=parts._replace(fragment="").geturl(),
            host=host,
            port=port,
            encrypted=parts.scheme == "https",
            number=number,
            proxy=proxy,
        )

    @staticmethod
    def _denied_by_operator(what: str) -> AddressDenied:
        return AddressDenied(
            f"This node's operator does not let it fetch from {what}.",
            remedy="Ask the operator: the node's deny_sources says so.",
        )


def shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _origin(parts: SplitResult) -> Origin:
    return (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise UrlNotAllowed(f"'{printable(location, 60)}' is not a URL: {error}.") from error
