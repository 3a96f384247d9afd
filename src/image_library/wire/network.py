"""A VM's network as clients ask for it."""

from __future__ import annotations

from image_library.domain.bridges import bridge_of
from image_library.domain.network_wish import (
    AddressingWish,
    AddressWish,
    BondWish,
    Dhcp,
    NetworkWish,
    NicWish,
    RouteWish,
    VlanWish,
)
from limiquantix.compute.v1 import vm_pb as pb

_DHCP = {
    pb.Addressing.Dhcp.USUAL: Dhcp.USUAL,
    pb.Addressing.Dhcp.ON: Dhcp.ON,
    pb.Addressing.Dhcp.OFF: Dhcp.OFF,
}


def network_from_wire(spec: pb.VmSpec) -> NetworkWish:
    return NetworkWish(
        nics=tuple(
            NicWish(
                mac_address=nic.mac_address,
                bridge=bridge_of(nic.network_id),
                addressing=_addressing(nic.addressing, nic.ip_configs),
            )
            for nic in spec.nics
        ),
        vlans=tuple(VlanWish(id=v.id, link=v.link, addressing=_addressing(v.addressing)) for v in spec.vlans),
        bonds=tuple(map(_bond, spec.bonds)),
    )


def _bond(bond: pb.Bond) -> BondWish:
    usual = BondWish()
    return BondWish(
        name=bond.name or usual.name,
        members=tuple(bond.members),
        mode=bond.mode or usual.mode,
        addressing=_addressing(bond.addressing),
    )


def _addressing(said: pb.Addressing | None, beside: list[pb.IpConfig] | None = None) -> AddressingWish:
    said = said or pb.Addressing()
    return AddressingWish(
        # Old clients send an empty one for DHCP.
        addresses=tuple(
            AddressWish(address=ip.address, gateway=ip.gateway, dns_servers=tuple(ip.dns_servers))
            for ip in (*(beside or ()), *said.ip_configs)
            if ip.address or ip.gateway or ip.dns_servers
        ),
        dhcp4=_DHCP.get(said.dhcp4, Dhcp.USUAL),
        dhcp6=_DHCP.get(said.dhcp6, Dhcp.USUAL),
        mtu=said.mtu,
        routes=tuple(RouteWish(to=r.to, via=r.via, metric=r.metric) for r in said.routes),
        dns_servers=tuple(said.dns_servers),
        search_domains=tuple(said.search_domains),
    )
