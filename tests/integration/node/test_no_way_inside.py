"""Hundreds of spellings of addresses that nobody may fetch from: asked for, redirected to, rebound, mixed in.

No socket is made for any of them. A stub is the name service; nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import pytest

from image_library.domain.addresses import AllowedSources, literal, why_denied
from image_library.domain.errors import (
    AddressDenied,
    LibraryError,
    RedirectDenied,
    SourceUnreachable,
    UrlNotAllowed,
)
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.connector import JudgingResolver, Lookup
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.fetching import Source
from tests.data.denied_addresses import FOUR, SIX, SPELLINGS

PUBLIC = "151.101.2.132"
ONCE = RetryRules(attempts=1, first_wait=0.0, patience=5.0)
REFUSED = (AddressDenied, RedirectDenied, UrlNotAllowed, SourceUnreachable)


def test_there_are_enough_spellings_and_all_that_are_addresses_are_denied() -> None:
    assert len(set(SPELLINGS)) >= 400
    for text in (*FOUR, *SIX):
        address = literal(text)
        assert address is not None
        assert why_denied(address), text


async def names(host: str, port: int) -> list[str]:
    """As the C library takes numbers for addresses; no name is known to it but "localhost"."""
    if host.rstrip(".") == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no valid host name") from error
    return [str(info[4][0]) for info in found]


@asynccontextmanager
async def fetching(lookup: Lookup, *, own: str = "") -> AsyncGenerator[tuple[HttpFetcher, list[str]]]:
    """A fetcher, and the addresses that sockets were made for; only this machine's are connected to."""
    policy = SourcePolicy(allowed=AllowedSources.parse(own))
    resolver = JudgingResolver(policy, lookup)
    made: list[str] = []

    def make(info: tuple[Any, ...]) -> socket.socket:
        opened = resolver.make_socket(info)
        made.append(str(info[4][0]))
        if info[4][0] != "127.0.0.1":
            opened.close()
            raise OSError("a test goes nowhere")
        return opened

    connector = aiohttp.TCPConnector(
        resolver=resolver, socket_factory=make, use_dns_cache=False, force_close=True
    )
    async with open_session(connector) as session:
        clock = SystemClock()
        yield (
            HttpFetcher(
                session=session, policy=policy, clock=clock, rules=ONCE, traffic=Traffic(clock, per_host=0)
            ),
            made,
        )


async def refused(fetcher: HttpFetcher, url: str) -> LibraryError:
    with pytest.raises(REFUSED) as raised:
        await fetcher.read_small(Source(url=url, digest_known=True), limit=100, waiting=lambda _: None)
    return raised.value


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_g11_none_is_fetched_from_when_asked_for(scheme: str) -> None:
    async with fetching(names) as (fetcher, made):
        for spelling in SPELLINGS:
            await refused(fetcher, f"{scheme}://{spelling}/latest/meta-data")
        assert made == []


async def test_g11_none_is_redirected_to() -> None:
    location = ""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode("utf-8", "replace"))
            await writer.drain()

    async def lookup(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "start.example" else await names(host, port)

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    start = f"http://start.example:{server.sockets[0].getsockname()[1]}/x"
    async with server, fetching(lookup, own="start.example") as (fetcher, made):
        for spelling in SPELLINGS:
            location = f"http://{spelling}/latest/meta-data"
            await refused(fetcher, start)
        assert len(made) == len(SPELLINGS)


def answers(*given: list[str]) -> Lookup:
    """A name service that says something else each time."""
    left = iter(given)

    async def lookup(host: str, port: int) -> list[str]:
        return next(left)

    return lookup


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([PUBLIC], [], id="mixed"),
        pytest.param([], [PUBLIC], id="mixed the other way round"),
        pytest.param(["2a04:4e42::644"] * 50, [PUBLIC] * 50, id="one in a hundred"),
    ],
)
async def test_g11_one_denied_address_among_public_ones_is_enough(
    before: list[str], after: list[str]
) -> None:
    for denied in (*FOUR, *SIX):
        async with fetching(answers([*before, denied, *after])) as (fetcher, made):
            assert isinstance(await refused(fetcher, "https://mixed.example/x"), AddressDenied)
            assert made == []


async def test_g11_a_name_that_is_rebound_is_judged_anew_each_time() -> None:
    for denied in (*FOUR, *SIX):
        async with fetching(answers([PUBLIC], [denied])) as (fetcher, made):
            first = await refused(fetcher, "https://rebound.example/x")
            assert isinstance(first, SourceUnreachable)
            assert isinstance(await refused(fetcher, "https://rebound.example/x"), AddressDenied)
            # What was judged is what was connected to.
            assert made == [PUBLIC]
