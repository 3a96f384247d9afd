"""Which network addresses a fetch may reach: a table of our own, as "is_global" lets too much pass."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from image_library.domain.errors import InvalidSettings, printable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# From the IANA special-purpose registries, and what the big clouds put beside them.
_DENIED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "an address of this host"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier's shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud's metadata address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an address of this host"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 form"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
    )
)
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")


def why_denied(address: Address) -> str:
    """What is wrong with fetching from ``address``, in words; "" when nothing is."""
    for network, why in _DENIED:
        if address in network:
            return why
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _GLOBAL_IPV6):
        return "no global address"
    return ""


def literal(host: str) -> Address | None:
    """The address that ``host`` spells in the usual way, or None where it is a name to look up."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class AllowedSources:
    """Hosts and networks that an operator allows although the table denies them."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AllowedSources:
        """From "mirror.example,10.0.0.0/8".

        Raises:
            InvalidSettings: a part is neither a host name nor a network.
        """
        hosts, networks = _hosts_and_networks(text.split(","), field="allow_sources")
        return cls(hosts=frozenset(hosts), networks=networks)

    def has_host(self, host: str) -> bool:
        return host.lower().rstrip(".") in self.hosts

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True, kw_only=True)
class DeniedSources:
    """Hosts, whatever is below them, and networks that an operator denies. "*" denies what is not allowed."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    everything_else: bool = False

    @classmethod
    def parse(cls, parts: Iterable[str]) -> DeniedSources:
        """From "tracker.example", "10.0.0.0/8" and "*".

        Raises:
            InvalidSettings: a part is none of these.
        """
        given = [part.strip() for part in parts]
        named = (part for part in given if part != "*")
        hosts, networks = _hosts_and_networks(named, field="deny_sources")
        return cls(hosts=frozenset(hosts), networks=networks, everything_else="*" in given)

    def has_host(self, host: str) -> bool:
        labels = host.lower().rstrip(".").split(".")
        return any(".".join(labels[first:]) in self.hosts for first in range(len(labels)))

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _hosts_and_networks(parts: Iterable[str], *, field: str) -> tuple[set[str], tuple[Network, ...]]:
    hosts: set[str] = set()
    networks: list[Network] = []
    for part in filter(None, (p.strip() for p in parts)):
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            hosts.add(_host(part, field))
    return hosts, tuple(networks)


def _host(text: str, field: str) -> str:
    if "/" in text or ":" in text or any(c.isspace() or not c.isprintable() for c in text):
        raise InvalidSettings(f"'{printable(text)}' in {field} is neither host nor network.", field=field)
    return text.lower().rstrip(".")
