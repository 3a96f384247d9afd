"""Addresses that nobody may fetch from, and the ways to spell them that some parser or resolver takes."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

FOUR = [
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.254",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1.254",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "168.63.129.16",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]
SIX = [
    "::1",
    "::",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff05::2",
    "2001:db8::1",
    "2001::1",
    "2001:0:4136::1",
    "2002:a9fe:a9fe::1",
    "2002:7f00:1::",
    "2002:c0a8:101::",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "3fff::1",
    "100::1",
    "2001:10::1",
    "2001:20::1",
    "5f00::1",
    "4000::1",
]


def spelled(address: str) -> Iterator[str]:
    """An IPv4 address in the ways that some resolver or parser takes for it."""
    packed = ipaddress.IPv4Address(address)
    number, (a, b, c, d) = int(packed), packed.packed
    yield address
    yield f"{address}."
    yield str(number)
    yield f"0x{number:x}"
    yield f"0{number:o}"
    yield f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a}.{b}.{(c << 8) + d}"
    yield f"{a}.{(b << 16) + (c << 8) + d}"
    yield f"00{a}.0{b}.{c}.{d}"
    yield "".join(chr(0x2460 + int(x) - 1) if x in "123456789" else x for x in address)
    yield address.replace(".", "\u3002")
    yield address.replace(".", "%2e")
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{a << 8 | b:x}:{c << 8 | d:x}]"
    yield f"[::{address}]"
    yield f"[64:ff9b::{address}]"


SPELLINGS = [
    *itertools.chain.from_iterable(map(spelled, FOUR)),
    *(f"[{address}]" for address in SIX),
    *(f"[{ipaddress.IPv6Address(address).exploded.upper()}]" for address in SIX),
    *(f"[{address}%25lo]" for address in SIX[:6]),
    *("localhost.", "user@127.0.0.1", "example.org@127.0.0.1", "127.0.0.1#@example.org", "127.0.0.1\\@x"),
    *("example.org:80@10.0.0.1", "127.1", "0", "0x7f.1", "[::1", "::1", "127.0.0.1%00.example.org"),
]
