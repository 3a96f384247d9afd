"""Which addresses a fetch may reach."""

from __future__ import annotations

import ipaddress

import pytest

from image_library.domain.addresses import AllowedSources, DeniedSources, literal, why_denied
from image_library.domain.errors import InvalidSettings

DENIED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "151.101.2.132",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "223.255.255.255",
    "2000::1",
    "2606:4700::1111",
    "2a04:4e42::644",
    "3ffe::1",
]


@pytest.mark.parametrize("text", DENIED)
def test_an_address_that_is_not_the_internet_is_denied(text: str) -> None:
    assert why_denied(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ALLOWED)
def test_an_address_of_the_internet_is_not(text: str) -> None:
    assert why_denied(ipaddress.ip_address(text)) == ""


@pytest.mark.parametrize("text", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "example.org", ""])
def test_odd_spellings_are_names_to_look_up_and_judged_then(text: str) -> None:
    assert literal(text) is None


def test_an_operator_allows_hosts_and_networks() -> None:
    allowed = AllowedSources.parse(" Mirror.Example. ,10.1.0.0/16,fd00::/8, 192.168.1.5")
    assert allowed.has_host("mirror.example")
    assert not allowed.has_host("evil.mirror.example")
    assert allowed.has_address(ipaddress.ip_address("10.1.2.3"))
    assert allowed.has_address(ipaddress.ip_address("fd12::1"))
    assert allowed.has_address(ipaddress.ip_address("192.168.1.5"))
    assert not allowed.has_address(ipaddress.ip_address("10.2.0.1"))
    assert not allowed.has_address(ipaddress.ip_address("192.168.1.6"))


def test_nothing_given_allows_nothing() -> None:
    assert AllowedSources.parse(" , ") == AllowedSources()


@pytest.mark.parametrize("text", ["10.0.0.0/33", "http://mirror", "a b", "host:80"])
def test_what_is_neither_host_nor_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="neither host nor network"):
        AllowedSources.parse(text)


def test_a_denied_host_is_denied_with_all_below_it() -> None:
    denied = DeniedSources.parse(["Tracker.example.", "10.0.0.0/8", " 2001:db8::/32 "])
    assert denied.has_host("tracker.example")
    assert denied.has_host("a.b.TRACKER.example.")
    assert not denied.has_host("nottracker.example")
    assert not denied.has_host("example")
    assert denied.has_address(ipaddress.ip_address("10.1.2.3"))
    assert not denied.has_address(ipaddress.ip_address("11.1.2.3"))
    assert not denied.everything_else
    assert DeniedSources.parse(["*"]).everything_else


def test_what_is_neither_host_nor_network_cannot_be_denied() -> None:
    with pytest.raises(InvalidSettings, match="deny_sources"):
        DeniedSources.parse(["https://example.org/x"])
