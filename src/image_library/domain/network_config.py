"""A guest's network, as cloud-init's network-config version 2 says it, matched by MAC address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from image_library.domain.errors import InvalidRequest, printable

# Distributions name the same card ens3, enp0s2 or eth0; one name on all of them is easier to live
# with, and cloud-init renders a match without a name wrongly before 23.1.
INTERFACE = "eth0"
MOST_ADDRESSES = 16
EVERYWHERE = {4: ipaddress.IPv4Network("0.0.0.0/0"), 6: ipaddress.IPv6Network("::/0")}
# How often a bond looks whether its cards are connected.
LOOK_MILLISECONDS = 100

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, kw_only=True)
class StaticAddress:
    """One address with its prefix length, the way out of its network, and whom to ask for names."""

    interface: Interface
    gateway: Address | None = None
    dns_servers: tuple[Address, ...] = ()

    @property
    def version(self) -> int:
        return self.interface.version


@dataclass(frozen=True, kw_only=True)
class Route:
    to: ipaddress.IPv4Network | ipaddress.IPv6Network
    via: Address
    # 0: the guest's own choice.
    metric: int = 0


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """What a card, a VLAN or a bond is reached by."""

    # None: where there is no static IPv4 address.
    dhcp4: bool | None = None
    dhcp6: bool = False
    # Bytes; 0: the usual.
    mtu: int = 0
    addresses: tuple[StaticAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    dns_servers: tuple[Address, ...] = ()
    search_domains: tuple[str, ...] = ()

    @property
    def asks_dhcp4(self) -> bool:
        return not any(a.version == 4 for a in self.addresses) if self.dhcp4 is None else self.dhcp4

    @property
    def all_routes(self) -> tuple[Route, ...]:
        """The gateways' first. "default" as a destination is newer than images; all know the long form."""
        out = (
            Route(to=EVERYWHERE[address.version], via=address.gateway)
            for address in self.addresses
            if address.gateway is not None
        )
        return (*out, *self.routes)

    @property
    def all_servers(self) -> tuple[Address, ...]:
        of_addresses = (server for address in self.addresses for server in address.dns_servers)
        return tuple(dict.fromkeys((*of_addresses, *self.dns_servers)))


@dataclass(frozen=True, kw_only=True)
class Card:
    name: str
    mac_address: str
    addressing: Addressing = Addressing()
    # Of the node; empty: the card is in a network of its VM's own.
    bridge: str = ""


@dataclass(frozen=True, kw_only=True)
class Vlan:
    name: str
    id: int
    # The name of a card or a bond.
    link: str
    addressing: Addressing = Addressing()


@dataclass(frozen=True, kw_only=True)
class Bond:
    name: str
    members: tuple[str, ...]
    mode: str
    addressing: Addressing = Addressing()


@dataclass(frozen=True, kw_only=True)
class Network:
    """A guest's judged network."""

    cards: tuple[Card, ...]
    vlans: tuple[Vlan, ...] = ()
    bonds: tuple[Bond, ...] = ()

    @property
    def enslaved(self) -> frozenset[str]:
        """Cards that have no address of their own, because a bond has it."""
        return frozenset(name for bond in self.bonds for name in bond.members)

    @property
    def is_plain(self) -> bool:
        """Whether it is one card with DHCP, about which nothing is said."""
        [first, *others] = self.links
        return not others and replace(first.addressing, dhcp4=first.addressing.dhcp4 or None) == Addressing()

    @property
    def links(self) -> tuple[Card | Vlan | Bond, ...]:
        return (*self.cards, *self.bonds, *self.vlans)


def parse_static_address(
    *, address: str, gateway: str = "", dns_servers: tuple[str, ...] = ()
) -> StaticAddress:
    """A checked address: unicast, with its prefix length, and the gateway inside its network.

    Raises:
        InvalidRequest: one of them is not what it should be.
    """
    interface = _interface(address)
    way_out = parse_address(gateway, "gateway") if gateway else None
    if way_out is not None and not _reaches(interface, way_out):
        raise _refused(f"The gateway {way_out} is not in the network {interface.network}.", "gateway")
    if len(dns_servers) > MOST_ADDRESSES:
        raise _refused(f"There are more than {MOST_ADDRESSES} DNS servers.", "dns_servers")
    servers = tuple(parse_address(server, "dns_servers") for server in dns_servers)
    return StaticAddress(interface=interface, gateway=way_out, dns_servers=servers)


def network_document(network: Network) -> dict[str, Any]:
    """network-config version 2: DHCP for IPv4 unless there is a static IPv4 address, or it is said.

    IPv6 comes by router advertisements, which every image accepts; asking for DHCPv6 where nobody
    answers would hold up the boot.
    """
    document: dict[str, Any] = {"version": 2, "ethernets": {}}
    enslaved = network.enslaved
    for card in network.cards:
        document["ethernets"][card.name] = {
            "match": {"macaddress": card.mac_address},
            "set-name": card.name,
            **({"dhcp4": False} if card.name in enslaved else _addressing(card.addressing)),
        }
    if network.bonds:
        document["bonds"] = {bond.name: _bond(bond) for bond in network.bonds}
    if network.vlans:
        document["vlans"] = {
            vlan.name: {"id": vlan.id, "link": vlan.link, **_addressing(vlan.addressing)}
            for vlan in network.vlans
        }
    return document


def _bond(bond: Bond) -> dict[str, Any]:
    parameters = {"mode": bond.mode, "mii-monitor-interval": LOOK_MILLISECONDS}
    return {
        "interfaces": list(bond.members),
        "parameters": parameters,
        **_addressing(bond.addressing),
    }


def _addressing(addressing: Addressing) -> dict[str, Any]:
    said: dict[str, Any] = {"dhcp4": addressing.asks_dhcp4}
    if addressing.dhcp6:
        said["dhcp6"] = True
    if addressing.mtu:
        said["mtu"] = addressing.mtu
    if addressing.addresses:
        said["addresses"] = [str(address.interface) for address in addressing.addresses]
    routes = [_route(route) for route in addressing.all_routes]
    if routes:
        said["routes"] = routes
    servers = [str(server) for server in addressing.all_servers]
    names = {"addresses": servers, "search": list(addressing.search_domains)}
    if any(names.values()):
        said["nameservers"] = {key: value for key, value in names.items() if value}
    return said


def _route(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {"to": str(route.to), "via": str(route.via)}
    return {**said, "metric": route.metric} if route.metric else said


def _refused(sentence: str, field: str) -> InvalidRequest:
    return InvalidRequest(sentence, field=field)


def _interface(text: str) -> Interface:
    if "/" not in text:
        raise _refused(f"'{printable(text)}' lacks its prefix length, such as 192.0.2.10/24.", "address")
    try:
        interface = ipaddress.ip_interface(_zoneless(text))
    except ValueError:
        raise _refused(f"'{printable(text)}' is not an IP address with a prefix length.", "address") from None
    if not _usable(interface.ip) or _is_edge(interface):
        raise _refused(f"{interface} is not an address that a machine can have.", "address")
    return interface


def _is_edge(interface: Interface) -> bool:
    """The network's own or broadcast address; /31 and /32 have neither (RFC 3021)."""
    network = interface.network
    if interface.version == 6 or network.prefixlen > 30:
        return False
    return interface.ip in (network.network_address, network.broadcast_address)


def parse_address(text: str, field: str) -> Address:
    """An address that a machine can have. Raises: InvalidRequest."""
    try:
        address = ipaddress.ip_address(_zoneless(text))
    except ValueError:
        raise _refused(f"'{printable(text)}' is not an IP address.", field) from None
    if not _usable(address):
        raise _refused(f"{address} is not an address that a machine can have.", field)
    return address


def _zoneless(text: str) -> str:
    """A zone ("fe80::1%eth0") means something on one host only, and the parser may drop it silently."""
    if "%" in text:
        raise ValueError(text)
    return text


def _usable(address: Address) -> bool:
    return not (address.is_multicast or address.is_unspecified or address.is_loopback)


def _reaches(interface: Interface, gateway: Address) -> bool:
    if gateway.version != interface.version or gateway == interface.ip:
        return False
    # An IPv6 router is mostly named by its link-local address.
    return gateway in interface.network or (gateway.version == 6 and gateway.is_link_local)
