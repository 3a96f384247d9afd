"""Whether a network holds together: ours, and network-config of the caller's own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, cast

from image_library.domain.errors import printable
from image_library.domain.network_config import Interface, Network
from image_library.domain.preflight.finding import Finding, amber, green, red
from image_library.domain.preflight.subject import Subject

_KINDS = ("ethernets", "bonds", "bridges", "vlans", "wifis")
_FIELD = "network_config"


def network(subject: Subject) -> Iterator[Finding]:
    found = [*_overlaps(_interfaces(subject.network)), *_ways_out(subject.network), *_own(subject)]
    yield from found or [green("network.sound", "The network holds together.")]


def _interfaces(network: Network) -> list[tuple[str, Interface]]:
    return [(link.name, a.interface) for link in network.links for a in link.addressing.addresses]


def _overlaps(found: list[tuple[str, Interface]]) -> Iterator[Finding]:
    for (one, first), (other, second) in combinations(found, 2):
        if first.version != second.version:
            continue
        if first.ip == second.ip:
            yield red("network.address_twice", f"{first.ip} is there twice.", "Remove one of them.", _FIELD)
        elif one != other and first.network.overlaps(second.network):
            yield amber(
                "network.overlap",
                f"{one} and {other} are both in {first.network}: answers may leave by the wrong one.",
                "Put them into different networks, or bond them.",
                "spec.nics.ip_configs",
            )


def _ways_out(network: Network) -> Iterator[Finding]:
    routes = [route for link in network.links for route in link.addressing.all_routes]
    for version in (4, 6):
        out = [r for r in routes if r.to.version == version and r.to.prefixlen == 0 and not r.metric]
        if len(out) > 1:
            yield amber(
                "network.gateways",
                f"There are {len(out)} gateways for IPv{version}; which one is used is not certain.",
                "Give one gateway only, or routes with metrics.",
                "spec.nics.ip_configs.gateway",
            )
    nets = [interface.network for _, interface in _interfaces(network)]
    dhcp = any(link.addressing.asks_dhcp4 or link.addressing.dhcp6 for link in network.links)
    lost = [r.via for r in routes if not r.via.is_link_local and not any(r.via in net for net in nets)]
    for via in dict.fromkeys(() if dhcp else lost):
        yield red(
            "network.gateway", f"{via} is in no network of the VM.", "Correct the route.", "spec.nics.routes"
        )


def _own(subject: Subject) -> Iterator[Finding]:
    """Of version 2, which says its cards by MAC address; version 1 and other forms are not looked into."""
    given = subject.network_config
    if not given:
        return
    # netplan's form has it all below one key.
    given = _mapping(given.get("network", given))
    if given.get("version") != 2:
        return
    known = {card.mac_address for card in subject.network.cards}
    for name, link in _links(given):
        mac = str(_mapping(link.get("match")).get("macaddress", "")).lower()
        if mac and mac not in known:
            yield red(
                "network.unknown_mac",
                f"'{printable(name)}' is for the MAC address {printable(mac)}, which no card of the VM has.",
                "Give that address in spec.nics.mac_address, or leave the match out.",
                _FIELD,
            )
    yield from _own_addresses(given)


def _own_addresses(given: Mapping[str, Any]) -> Iterator[Finding]:
    interfaces: list[tuple[str, Interface]] = []
    for name, link in _links(given):
        own = [one for one in map(_interface, _listed(link.get("addresses"))) if one is not None]
        interfaces += [(name, one) for one in own]
        for way in _gateways(link):
            fits = any(way.version == one.version and way in one.network for one in own)
            if own and not fits and not way.is_link_local:
                yield red(
                    "network.gateway",
                    f"The gateway {way} of '{printable(name)}' is in none of its networks.",
                    "Correct the gateway or the address's prefix length.",
                    _FIELD,
                )
    yield from _overlaps(interfaces)


def _links(given: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in _KINDS:
        for name, link in _mapping(given.get(kind)).items():
            yield str(name), _mapping(link)


def _gateways(link: Mapping[str, Any]) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    given = [link.get("gateway4"), link.get("gateway6")]
    given += [_mapping(route).get("via") for route in _listed(link.get("routes"))]
    for text in given:
        try:
            yield ipaddress.ip_address(str(text))
        except ValueError:
            continue


def _interface(value: Any) -> Interface | None:
    try:
        return ipaddress.ip_interface(str(value))
    except ValueError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
