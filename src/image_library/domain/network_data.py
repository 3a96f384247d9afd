"""A guest's network as OpenStack says it in network_data.json, for guests that read a config drive.

Source: Nova's schema of network_data.json, and how cloud-init reads it. A card keeps the name that the
guest's kernel gives it.
"""

from __future__ import annotations

from typing import Any

from image_library.domain.network_config import (
    LOOK_MILLISECONDS,
    Addressing,
    Bond,
    Card,
    Network,
    Route,
    StaticAddress,
    Vlan,
)


def network_data(network: Network) -> dict[str, Any]:
    enslaved = network.enslaved
    macs = {card.name: card.mac_address for card in network.cards}
    macs |= {bond.name: macs[bond.members[0]] for bond in network.bonds}
    networks = [
        one
        for link in network.links
        if link.name not in enslaved
        for one in _networks(link.name, link.addressing)
    ]
    servers = dict.fromkeys(str(s) for link in network.links for s in link.addressing.all_servers)
    return {
        "links": [_link(link, macs) for link in network.links],
        "networks": [{"id": f"network{number}", **one} for number, one in enumerate(networks)],
        "services": [{"type": "dns", "address": server} for server in servers],
    }


def _link(link: Card | Vlan | Bond, macs: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"id": link.name}
    if link.addressing.mtu:
        said["mtu"] = link.addressing.mtu
    if isinstance(link, Card):
        return {**said, "type": "phy", "ethernet_mac_address": link.mac_address}
    if isinstance(link, Bond):
        return {
            **said,
            "type": "bond",
            "ethernet_mac_address": macs[link.name],
            "bond_links": list(link.members),
            "bond_mode": link.mode,
            "bond_miimon": LOOK_MILLISECONDS,
        }
    return {
        **said,
        "type": "vlan",
        "vlan_link": link.link,
        "vlan_id": link.id,
        "vlan_mac_address": macs[link.link],
    }


def _networks(link: str, addressing: Addressing) -> list[dict[str, Any]]:
    asked = [
        kind
        for kind, wanted in (("ipv4_dhcp", addressing.asks_dhcp4), ("ipv6_dhcp", addressing.dhcp6))
        if wanted
    ]
    found: list[dict[str, Any]] = [{"link": link, "type": kind} for kind in asked]
    for number, address in enumerate(addressing.addresses):
        of_address = [r for r in addressing.all_routes if r.via == address.gateway and address.gateway]
        # Routes that no gateway of an address serves go with the first address of their kind.
        first = next(n for n, a in enumerate(addressing.addresses) if a.version == address.version)
        own = addressing.routes if number == first else ()
        routes = dict.fromkeys((*of_address, *(r for r in own if r.to.version == address.version)))
        found.append(_static(link, address, tuple(routes)))
    return found


def _static(link: str, address: StaticAddress, routes: tuple[Route, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "link": link,
        "type": f"ipv{address.version}",
        "ip_address": str(address.interface.ip),
        "netmask": str(address.interface.netmask),
    }
    listed = [
        {"network": str(r.to.network_address), "netmask": str(r.to.netmask), "gateway": str(r.via)}
        for r in routes
    ]
    return {**said, "routes": listed} if listed else said
