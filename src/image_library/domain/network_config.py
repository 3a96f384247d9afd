"""A guest's network, as cloud-init's network-config version 2 says it, matched by MAC address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from image_library.domain.errors import InvalidRequest, printable

# Distributions name the same card ens3, enp0s2 or eth0; one name on all of them is easier to live
# with, and cloud-init renders a match without a name wrongly before 23.1.
INTERFACE = "eth0"
MOST_ADDRESSES = 16

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


def parse_static_address(
    *, address: str, gateway: str = "", dns_servers: tuple[str, ...] = ()
) -> StaticAddress:
    """A checked address: unicast, with its prefix length, and the gateway inside its network.

    Raises:
        InvalidRequest: one of them is not what it should be.
    """
    interface = _interface(address)
    way_out = _address(gateway, "gateway") if gateway else None
    if way_out is not None and not _reaches(interface, way_out):
        raise _refused(f"The gateway {way_out} is not in the network {interface.network}.", "gateway")
    if len(dns_servers) > MOST_ADDRESSES:
        raise _refused(f"There are more than {MOST_ADDRESSES} DNS servers.", "dns_servers")
    servers = tuple(_address(server, "dns_servers") for server in dns_servers)
    return StaticAddress(interface=interface, gateway=way_out, dns_servers=servers)


def network_document(mac_address: str, addresses: tuple[StaticAddress, ...] = ()) -> dict[str, Any]:
    """network-config version 2 for one card: DHCP for IPv4 unless it has a static IPv4 address.

    IPv6 comes by router advertisements, which every image accepts; asking for DHCPv6 where nobody
    answers would hold up the boot.
    """
    card: dict[str, Any] = {
        "match": {"macaddress": mac_address},
        "set-name": INTERFACE,
        "dhcp4": not any(address.version == 4 for address in addresses),
    }
    if addresses:
        card["addresses"] = [str(address.interface) for address in addresses]
    # "default" as a destination is newer than the images; the long form is understood by all.
    routes = [
        {"to": "0.0.0.0/0" if address.version == 4 else "::/0", "via": str(address.gateway)}
        for address in addresses
        if address.gateway is not None
    ]
    if routes:
        card["routes"] = routes
    servers = dict.fromkeys(str(server) for address in addresses for server in address.dns_servers)
    if servers:
        card["nameservers"] = {"addresses": list(servers)}
    return {"version": 2, "ethernets": {INTERFACE: card}}


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


def _address(text: str, field: str) -> Address:
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
