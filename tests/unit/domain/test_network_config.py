"""A card's network document: DHCP unless told otherwise, and nothing that a machine cannot have."""

from __future__ import annotations

import pytest

from image_library.domain.errors import InvalidRequest
from image_library.domain.network_config import (
    Addressing,
    Card,
    Network,
    network_document,
    parse_static_address,
)

MAC = "52:54:00:12:34:56"


def card(*addresses: tuple[str, str, tuple[str, ...]]) -> dict[str, object]:
    parsed = tuple(parse_static_address(address=a, gateway=g, dns_servers=d) for a, g, d in addresses)
    card = Card(name="eth0", mac_address=MAC, addressing=Addressing(addresses=parsed))
    return network_document(Network(cards=(card,)))["ethernets"]["eth0"]


def test_without_an_address_the_card_asks_dhcp() -> None:
    assert card() == {"match": {"macaddress": MAC}, "set-name": "eth0", "dhcp4": True}


def test_a_static_address_takes_the_place_of_dhcp() -> None:
    assert card(("192.0.2.10/24", "192.0.2.1", ("192.0.2.53", "2001:db8::53"))) == {
        "match": {"macaddress": MAC},
        "set-name": "eth0",
        "dhcp4": False,
        "addresses": ["192.0.2.10/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
        "nameservers": {"addresses": ["192.0.2.53", "2001:db8::53"]},
    }


def test_a_static_ipv6_address_leaves_ipv4_to_dhcp() -> None:
    document = card(("2001:db8::10/64", "fe80::1", ()))
    assert document["dhcp4"] is True
    assert document["routes"] == [{"to": "::/0", "via": "fe80::1"}]


def test_both_families_can_be_static_and_dns_servers_are_named_once() -> None:
    document = card(
        ("192.0.2.10/24", "192.0.2.1", ("192.0.2.53",)), ("2001:db8::10/64", "2001:db8::1", ("192.0.2.53",))
    )
    assert document["addresses"] == ["192.0.2.10/24", "2001:db8::10/64"]
    assert document["nameservers"] == {"addresses": ["192.0.2.53"]}


def test_a_point_to_point_network_has_no_edges() -> None:
    assert card(("192.0.2.0/31", "192.0.2.1", ()))["addresses"] == ["192.0.2.0/31"]


@pytest.mark.parametrize(
    ("address", "gateway", "reason"),
    [
        ("192.0.2.10", "", "lacks its prefix length"),
        ("", "", "lacks its prefix length"),
        ("192.0.2.10/33", "", "is not an IP address"),
        ("192.0.2.010/24", "", "is not an IP address"),
        ("host/24", "", "is not an IP address"),
        ("192.0.2.10/24\n", "", "is not an IP address"),
        ("192.0.2.0/24", "", "a machine can have"),
        ("192.0.2.255/24", "", "a machine can have"),
        ("224.0.0.1/24", "", "a machine can have"),
        ("0.0.0.0/24", "", "a machine can have"),
        ("127.0.0.1/8", "", "a machine can have"),
        ("::1/128", "", "a machine can have"),
        ("fe80::1%eth0/64", "", "is not an IP address"),
        ("192.0.2.10/24", "198.51.100.1", "is not in the network 192.0.2.0/24"),
        ("192.0.2.10/24", "192.0.2.10", "is not in the network"),
        ("192.0.2.10/24", "2001:db8::1", "is not in the network"),
        ("192.0.2.10/24", "gateway", "is not an IP address"),
    ],
)
def test_refuses_what_no_machine_can_have(address: str, gateway: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        parse_static_address(address=address, gateway=gateway)


@pytest.mark.parametrize("server", ["", "dns.example.org", "0.0.0.0", "ff02::1"])
def test_refuses_dns_servers_that_cannot_be_asked(server: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_static_address(address="192.0.2.10/24", dns_servers=(server,))
    assert refused.value.field == "dns_servers"


def test_a_long_list_of_dns_servers_is_refused() -> None:
    servers = tuple(f"192.0.2.{n}" for n in range(1, 18))
    with pytest.raises(InvalidRequest, match="more than 16"):
        parse_static_address(address="192.0.2.100/24", dns_servers=servers)
