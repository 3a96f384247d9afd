"""What the environment says of proxies: through which one a host is reached, if through any."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from image_library.domain.addresses import literal
from image_library.domain.errors import InvalidSettings, printable

_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """URLs of proxies, which may hold a password; ``exempt`` is what NO_PROXY says."""

    https: str = field(default="", repr=False)
    http: str = field(default="", repr=False)
    exempt: tuple[str, ...] = ()

    def proxy_for(self, scheme: str, host: str, port: int) -> str:
        if any(_covers(pattern, host.lower(), port) for pattern in self.exempt):
            return ""
        return self.https if scheme == "https" else self.http


def proxies_from(environment: Mapping[str, str]) -> Proxies:
    """As curl reads them: HTTPS_PROXY, https_proxy, http_proxy, ALL_PROXY and NO_PROXY.

    Raises:
        InvalidSettings: one names what is no http or https proxy.
    """

    def first(*names: str) -> tuple[str, str]:
        return next(((name, environment[name]) for name in names if environment.get(name)), ("", ""))

    parts = first("no_proxy", "NO_PROXY")[1].lower().split(",")
    exempt = tuple(part.strip() for part in parts if part.strip())
    if "*" in exempt:
        return Proxies()
    return Proxies(
        https=_url(*first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")),
        # Only lower case, as a web server may set HTTP_PROXY from a request's header.
        http=_url(*first("http_proxy", "all_proxy", "ALL_PROXY")),
        exempt=exempt,
    )


def named(proxy: str) -> str:
    """HOST:PORT of a proxy's URL, as it may be shown: without its user."""
    return printable(urlsplit(proxy).netloc.rpartition("@")[2])


def _url(variable: str, text: str) -> str:
    """The proxy's URL; http is meant where no scheme is said. It is never shown: it may hold a password."""
    if not text:
        return ""
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known, parts = False, urlsplit("http:")
    if parts.scheme not in _SCHEMES:
        raise InvalidSettings(
            f"{variable} names a {printable(parts.scheme, 20)} proxy; only http and https proxies are used.",
            remedy=f"Name an http proxy in {variable}, or set NO_PROXY='*' to use none.",
            field=variable,
        )
    if not known:
        raise InvalidSettings(
            f"{variable} names no proxy's host and port.",
            remedy=f"Write it as {variable}=http://HOST:PORT.",
            field=variable,
        )
    return url


def _covers(pattern: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means ``host``: itself, a domain above it, or its network; at a port."""
    name, _, number = pattern.rpartition(":")
    # An IPv6 address has colons of its own; only in brackets a port may follow it.
    if number.isdigit() and (":" not in name or name.endswith("]")):
        return int(number) == port and _covers(name, host, port)
    address = literal(host)
    if address is None:
        bare = pattern.removeprefix("*").removeprefix(".")
        return host == bare or host.endswith(f".{bare}")
    try:
        return address in ipaddress.ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        return False
