"""What a name is looked up to is judged before anything is connected to."""

from __future__ import annotations

import socket

import pytest

from image_library.domain.addresses import AllowedSources
from image_library.domain.errors import AddressDenied
from image_library.node.adapters.fetcher.connector import JudgingResolver, Lookup, system_lookup
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.policy import SourcePolicy


def answers(*sets: list[str]) -> Lookup:
    """A name service with one set of addresses for each question."""
    left = list(sets)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0)

    return lookup


def stream_socket(address: str, port: int = 443) -> tuple[object, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, 0, "", (address, port)


async def test_public_addresses_are_used_as_they_were_judged() -> None:
    resolver = JudgingResolver(SourcePolicy(), answers(["151.101.2.132", "2a04:4e42::644"]))
    found = await resolver.resolve("example.org", 443)
    assert [entry["host"] for entry in found] == ["151.101.2.132", "2a04:4e42::644"]
    assert [entry["family"] for entry in found] == [socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["151.101.2.132", "10.0.0.1"],
        ["151.101.2.132", "fd00::1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
        ["fe80::1%eth0"],
    ],
)
async def test_one_address_that_may_not_be_is_enough_to_refuse(addresses: list[str]) -> None:
    resolver = JudgingResolver(SourcePolicy(), answers(addresses))
    with pytest.raises(AddressDenied, match=r"evil\.example is at"):
        await resolver.resolve("evil.example", 443)
    assert resolver.approved == set()


async def test_a_name_that_is_looked_up_again_is_judged_again() -> None:
    resolver = JudgingResolver(SourcePolicy(), answers(["151.101.2.132"], ["127.0.0.1"]))
    await resolver.resolve("rebinding.example", 443)
    with pytest.raises(AddressDenied):
        await resolver.resolve("rebinding.example", 443)


async def test_an_operators_host_may_be_anywhere() -> None:
    policy = SourcePolicy(
        mirrors=Mirrors(standing_in=["http://mirror.internal:8080"]),
        allowed=AllowedSources.parse("files.internal"),
    )
    resolver = JudgingResolver(policy, answers(["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]))
    await resolver.resolve("mirror.internal", 8080)
    await resolver.resolve("files.internal", 443)
    with pytest.raises(AddressDenied):
        await resolver.resolve("other.internal", 443)


async def test_no_socket_is_made_for_an_address_that_was_not_judged() -> None:
    resolver = JudgingResolver(SourcePolicy(), answers(["151.101.2.132"]))
    await resolver.resolve("example.org", 443)
    resolver.make_socket(stream_socket("151.101.2.132")).close()
    with pytest.raises(OSError, match="a loopback address"):
        resolver.make_socket(stream_socket("127.0.0.1"))
    with pytest.raises(OSError, match="a link-local address"):
        resolver.make_socket(stream_socket("169.254.169.254"))


@pytest.mark.parametrize("host", ["two..dots", "a" * 64 + ".example"])
async def test_a_name_that_no_host_can_have_is_not_found(host: str) -> None:
    with pytest.raises(OSError, match="no valid host name"):
        await system_lookup(host, 443)
