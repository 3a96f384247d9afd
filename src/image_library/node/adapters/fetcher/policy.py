"""Which URLs may be fetched, through which mirror or proxy. Each redirect is judged like a first URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from image_library.domain.addresses import AllowedSources, literal, why_denied
from image_library.domain.checksum import parse_digest
from image_library.domain.errors import (
    AddressDenied,
    InvalidSettings,
    LibraryError,
    RedirectDenied,
    UrlNotAllowed,
    printable,
)
from image_library.domain.source_url import PORTS, scheme_not_allowed, split_source

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
class Proxies:
    """What the environment says of proxies. ``exempt`` are hosts and domains that are reached directly."""

    https: str = field(default="", repr=False)
    http: str = field(default="", repr=False)
    exempt: tuple[str, ...] = ()

    def proxy_for(self, scheme: str, host: str) -> str:
        if any(_covers(pattern, host.lower()) for pattern in self.exempt):
            return ""
        return self.https if scheme == "https" else self.http


class Routes(Protocol):
    """Where a source's request goes, and where its redirects may."""

    def first(self, url: str, *, http_will_do: bool) -> Hop: ...

    def redirected(self, hop: Hop, location: str, *, http_will_do: bool) -> Hop: ...


class LibraryRoutes:
    """To the control plane and nowhere else: a source is the digest ("sha256:HEX") of a blob of the library.

    An operator named the control plane; its address is not judged, and no mirror or proxy stands between.
    """

    def __init__(self, control_plane_url: str) -> None:
        self._base = control_plane_url.rstrip("/")

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
        mirror: str = "",
        allowed: AllowedSources | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        """``mirror`` is the base URL that stands before every HOST/PATH; an operator's choice and so trusted.

        Raises:
            InvalidSettings: the mirror is no http or https URL.
        """
        self._allowed = allowed or AllowedSources()
        self._proxies = proxies or Proxies()
        self._mirror = mirror.rstrip("/")
        self._trusted: frozenset[Origin] = frozenset()
        self._mirror_origin: Origin | None = None
        if mirror:
            self._mirror_origin = _origin(_mirror_parts(mirror))
        proxy_urls = [p for p in (self._proxies.https, self._proxies.http) if p]
        origins = [_origin(urlsplit(p)) for p in proxy_urls]
        self._trusted = frozenset(o for o in (*origins, self._mirror_origin) if o is not None)

    def first(self, url: str, *, http_will_do: bool) -> Hop:
        """The request for ``url``, through the mirror where there is one.

        Raises:
            UrlNotAllowed, AddressDenied
        """
        parts = split_source(url)
        if self._mirror:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            parts = split_source(f"{self._mirror}/{parts.netloc}{path}")
        return self._hop(parts, number=0, http_will_do=http_will_do)

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
            parts = split_source(urljoin(hop.url, location))
            after = self._hop(parts, number=number, http_will_do=http_will_do)
        except UrlNotAllowed as error:
            raise RedirectDenied(
                f"Redirect {number}, from {hop.host}, is not followed: {error.message}"
            ) from error
        if hop.encrypted and not after.encrypted:
            raise RedirectDenied(f"Redirect {number} leads from https at {hop.host} to http at {after.host}.")
        return after

    def trusts(self, host: str, port: int) -> bool:
        """Whether any address of ``host`` will do: an operator named it."""
        return (host.lower(), port) in self._trusted or self._allowed.has_host(host)

    def judge_address(self, text: str, host: str) -> None:
        """Refuse an address that ``host`` was looked up to.

        Raises:
            AddressDenied
        """
        address = literal(text)
        why = why_denied(address) if address else "no address"
        if why and not (address and self._allowed.has_address(address)):
            raise AddressDenied(f"{printable(host)} is at {printable(text)}, which is {why}.")

    def _hop(self, parts: SplitResult, *, number: int, http_will_do: bool) -> Hop:
        host, port = _origin(parts)
        if parts.scheme == "http":
            if not (http_will_do or (host, port) == self._mirror_origin):
                raise UrlNotAllowed(f"{host} is to be fetched from over http, and no digest is known.")
        elif parts.scheme != "https":
            raise scheme_not_allowed(parts.scheme)
        address = literal(host)
        if address is not None and not self.trusts(host, port):
            self.judge_address(str(address), host)
        direct = (host, port) == self._mirror_origin
        return Hop(
            url=parts._replace(fragment="").geturl(),
            host=host,
            port=port,
            encrypted=parts.scheme == "https",
            number=number,
            proxy="" if direct else self._proxies.proxy_for(parts.scheme, host),
        )


def shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def proxies_from(environment: Mapping[str, str]) -> Proxies:
    """As curl reads them: HTTPS_PROXY, https_proxy, http_proxy and NO_PROXY."""

    def value(*names: str) -> str:
        return next((environment[name] for name in names if environment.get(name)), "")

    exempt = value("no_proxy", "NO_PROXY").lower().split(",")
    return Proxies(
        https=value("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
        # Only lower case, as a web server may set HTTP_PROXY from a request's header.
        http=value("http_proxy", "all_proxy", "ALL_PROXY"),
        exempt=tuple(p.strip() for p in exempt if p.strip()),
    )


def _origin(parts: SplitResult) -> Origin:
    return (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def _mirror_parts(mirror: str) -> SplitResult:
    try:
        return split_source(mirror)
    except LibraryError as error:
        raise InvalidSettings(f"The mirror cannot be used: {error.message}", field="mirror") from error


def _covers(pattern: str, host: str) -> bool:
    """Whether an entry of NO_PROXY means ``host``: itself, a domain above it, or all."""
    bare = pattern.removeprefix("*").removeprefix(".")
    return pattern == "*" or host == bare or host.endswith(f".{bare}")
