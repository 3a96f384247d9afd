"""A guest's network as it is asked for, judged: cards, and the VLANs and bonds on them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from image_library.domain.bridges import trimmed, valid_bridge
from image_library.domain.errors import InvalidHostname, InvalidRequest, printable
from image_library.domain.identity import valid_hostname
from image_library.domain.machine import mac_for, valid_mac
from image_library.domain.network_config import (
    MOST_ADDRESSES,
    Addressing,
    Bond,
    Card,
    Network,
    Route,
    Vlan,
    parse_address,
    parse_static_address,
)

MOST_CARDS = 8
MOST_LINKS = 64
# RFC 791 and RFC 8200: the least that every link carries; the most that a virtio card does.
SMALLEST_MTU, SMALLEST_MTU_6, LARGEST_MTU = 576, 1280, 65535
# Of the kernel's bonding driver.
BOND_MODES = (
    "active-backup",
    "balance-rr",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
)
# The kernel's limit is 15 bytes; a VLAN's name is its link's with up to five more.
_LINK = re.compile(r"[a-z][a-z0-9]{0,9}")


class Dhcp(Enum):
    USUAL = "usual"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class AddressWish:
    address: str
    gateway: str = ""
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RouteWish:
    to: str
    via: str
    metric: int = 0


@dataclass(frozen=True, kw_only=True)
class AddressingWish:
    addresses: tuple[AddressWish, ...] = ()
    dhcp4: Dhcp = Dhcp.USUAL
    dhcp6: Dhcp = Dhcp.USUAL
    mtu: int = 0
    routes: tuple[RouteWish, ...] = ()
    dns_servers: tuple[str, ...] = ()
    search_domains: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NicWish:
    mac_address: str = ""
    # Of the node; empty: a network of its own behind the node.
    bridge: str = ""
    addressing: AddressingWish = AddressingWish()


@dataclass(frozen=True, kw_only=True)
class VlanWish:
    id: int
    # A card (eth0, eth1 …) or a bond; empty: the first card.
    link: str = ""
    addressing: AddressingWish = AddressingWish()


@dataclass(frozen=True, kw_only=True)
class BondWish:
    name: str = "bond0"
    # Names of cards; none: all cards.
    members: tuple[str, ...] = ()
    mode: str = "active-backup"
    addressing: AddressingWish = AddressingWish()


@dataclass(frozen=True, kw_only=True)
class NetworkWish:
    nics: tuple[NicWish, ...] = ()
    vlans: tuple[VlanWish, ...] = ()
    bonds: tuple[BondWish, ...] = ()


def network_of(wish: NetworkWish, vm_id: str) -> Network:
    """The judged network; cards without an address of their own get the one that belongs to ``vm_id``.

    Raises:
        InvalidRequest: something cannot be used, or does not fit together.
    """
    nics = wish.nics or (NicWish(),)
    if len(nics) > MOST_CARDS:
        raise _refused(f"A VM has at most {MOST_CARDS} network cards.", "spec.nics")
    cards = tuple(_card(nic, number, vm_id) for number, nic in enumerate(nics))
    if len({card.mac_address for card in cards}) != len(cards):
        raise _refused("Two network cards have the same MAC address.", "spec.nics.mac_address")
    bonds = tuple(_bond(bond, cards) for bond in wish.bonds)
    names = (*(card.name for card in cards), *(bond.name for bond in bonds))
    if len(set(names)) != len(names):
        raise _refused("Two bonds have the same name, or a bond a card's.", "spec.bonds.name")
    network = Network(cards=cards, bonds=bonds, vlans=tuple(_vlan(vlan, names) for vlan in wish.vlans))
    _judge(network)
    return network


def bridges_of(wish: NetworkWish) -> tuple[str, ...]:
    """The bridge of each card, in order; those beyond the last are on none."""
    return trimmed(nic.bridge for nic in wish.nics)


def _card(nic: NicWish, number: int, vm_id: str) -> Card:
    bridge = valid_bridge(nic.bridge) if nic.bridge else ""
    own = mac_for(f"{vm_id}/{number}" if number else vm_id)
    mac = valid_mac(nic.mac_address) if nic.mac_address else own
    return Card(name=f"eth{number}", mac_address=mac, addressing=addressing_of(nic.addressing), bridge=bridge)


def _bond(wish: BondWish, cards: tuple[Card, ...]) -> Bond:
    known = tuple(card.name for card in cards)
    members = wish.members or known
    if not _LINK.fullmatch(wish.name):
        raise _refused(f"'{printable(wish.name)}' is not a bond's name.", "spec.bonds.name")
    if wish.mode not in BOND_MODES:
        raise _refused(f"A bond's mode is one of {', '.join(BOND_MODES)}.", "spec.bonds.mode")
    unknown = next((name for name in members if name not in known), "")
    if unknown:
        raise _refused(
            f"There is no card '{printable(unknown)}': the VM has {', '.join(known)}.", "spec.bonds"
        )
    return Bond(name=wish.name, members=members, mode=wish.mode, addressing=addressing_of(wish.addressing))


def _vlan(wish: VlanWish, links: tuple[str, ...]) -> Vlan:
    link = wish.link or links[0]
    if not 1 <= wish.id <= 4094:
        raise _refused(f"A VLAN's id is 1 to 4094, not {wish.id}.", "spec.vlans.id")
    if link not in links:
        raise _refused(
            f"There is no '{printable(link)}' for a VLAN: the VM has {', '.join(links)}.", "spec.vlans"
        )
    return Vlan(name=f"{link}.{wish.id}", id=wish.id, link=link, addressing=addressing_of(wish.addressing))


def _judge(network: Network) -> None:
    members = [name for bond in network.bonds for name in bond.members]
    if len(set(members)) != len(members):
        raise _refused("A card can be in one bond only, and once.", "spec.bonds.members")
    addressed = [card.name for card in network.cards if card.addressing != Addressing()]
    both = next((name for name in addressed if name in members), "")
    if both:
        raise _refused(f"{both} is part of a bond, which has the addresses.", "spec.nics")
    if len(network.links) > MOST_LINKS:
        raise _refused(f"A VM has at most {MOST_LINKS} cards, bonds and VLANs.", "spec.vlans")
    names = [vlan.name for vlan in network.vlans]
    if len(set(names)) != len(names):
        raise _refused("A VLAN is there twice.", "spec.vlans.id")
    found = [a.interface.ip for link in network.links for a in link.addressing.addresses]
    twice = next((ip for ip in found if found.count(ip) > 1), None)
    if twice is not None:
        raise _refused(f"The address {twice} is there twice.", "spec.nics.ip_configs.address")


def addressing_of(wish: AddressingWish) -> Addressing:
    """Raises: InvalidRequest."""
    for name in ("addresses", "routes", "dns_servers", "search_domains"):
        if len(getattr(wish, name)) > MOST_ADDRESSES:
            raise _refused(f"A card has at most {MOST_ADDRESSES} {name}.", f"spec.nics.{name}")
    addressing = Addressing(
        dhcp4=None if wish.dhcp4 is Dhcp.USUAL else wish.dhcp4 is Dhcp.ON,
        dhcp6=wish.dhcp6 is Dhcp.ON,
        mtu=wish.mtu,
        addresses=tuple(
            parse_static_address(address=a.address, gateway=a.gateway, dns_servers=a.dns_servers)
            for a in wish.addresses
        ),
        routes=tuple(map(_route, wish.routes)),
        dns_servers=tuple(parse_address(server, "dns_servers") for server in wish.dns_servers),
        search_domains=tuple(map(_domain, wish.search_domains)),
    )
    _judge_mtu(addressing)
    return addressing


def _judge_mtu(addressing: Addressing) -> None:
    least = SMALLEST_MTU_6 if any(a.version == 6 for a in addressing.addresses) else SMALLEST_MTU
    if addressing.mtu and not least <= addressing.mtu <= LARGEST_MTU:
        raise _refused(f"The MTU is {least} to {LARGEST_MTU}, not {addressing.mtu}.", "spec.nics.mtu")


def _route(wish: RouteWish) -> Route:
    try:
        to = ipaddress.ip_network(wish.to)
    except ValueError:
        raise _refused(
            f"'{printable(wish.to)}' is not a network such as 192.0.2.0/24.", "routes.to"
        ) from None
    via = parse_address(wish.via, "routes.via")
    if to.version != via.version:
        raise _refused(f"{via} is no way to {to}.", "routes.via")
    if wish.metric > 0xFFFFFFFF:
        raise _refused("A route's metric is at most 4294967295.", "routes.metric")
    return Route(to=to, via=via, metric=wish.metric)


def _domain(name: str) -> str:
    try:
        return valid_hostname(name)
    except InvalidHostname:
        raise _refused(f"'{printable(name)}' is not a domain.", "search_domains") from None


def _refused(sentence: str, field: str) -> InvalidRequest:
    return InvalidRequest(sentence, field=field)
