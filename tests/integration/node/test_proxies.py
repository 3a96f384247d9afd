"""Fetching through a proxy on loopback, as HTTPS_PROXY, http_proxy and NO_PROXY say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from image_library.domain.addresses import AllowedSources, DeniedSources
from image_library.domain.errors import (
    AddressDenied,
    LibraryError,
    SourceRefused,
    SourceTls,
    SourceUnreachable,
)
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.access import SourceAccess
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.adapters.fetcher.proxies import proxies_from
from image_library.node.ports.fetching import Source
from tests.fakes.node_workbench import QUICK
from tests.support.proxy import Proxy, proxy

CA = trustme.CA()
# No name service knows it.
HOST = "images.example"
SECURE, PLAIN = f"https://{HOST}/x", f"http://{HOST}/x"
# Long enough that the connection itself is read from.
BODY = bytes(range(256)) * 8192


@dataclass(frozen=True)
class Served:
    port: int
    asked: list[str] = field(default_factory=list[str])


def speaking() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(HOST).configure_cert(context)
    return context


@asynccontextmanager
async def source(context: ssl.SSLContext | None) -> AsyncGenerator[Served]:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, OSError):
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
            await writer.drain()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield Served(listening.sockets[0].getsockname()[1], asked)


@asynccontextmanager
async def between(*, user: str = "", status: int = 0) -> AsyncGenerator[tuple[Proxy, Served]]:
    """A proxy, and a source that only the proxy can find, by https and by http."""
    async with source(speaking()) as secure, source(None) as plain:
        leads = {f"{HOST}:443": secure.port, HOST: plain.port}
        async with proxy(leads, user=user, status=status) as way:
            yield way, secure


def through(url: str) -> dict[str, str]:
    return dict.fromkeys(("https_proxy", "http_proxy"), url)


async def fetch(
    url: str,
    environment: Mapping[str, str],
    *,
    access: SourceAccess | None = None,
    denied: str = "",
    known: bool = False,
) -> bytes:
    trusted = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
    policy = SourcePolicy(
        allowed=AllowedSources.parse("10.9.9.9"),
        denied=DeniedSources.parse([denied] if denied else []),
        proxies=proxies_from(environment),
    )
    async with open_session(judged_connector(policy, tls=trusted)) as session:
        fetcher = HttpFetcher(session=session, policy=policy, clock=SystemClock(), rules=QUICK, access=access)
        wanted = Source(url=url, digest_known=known)
        return await fetcher.read_small(wanted, limit=1 << 23, waiting=lambda _: None)


async def test_https_goes_through_a_tunnel_and_the_proxy_looks_names_up(tmp_path: Path) -> None:
    secret = tmp_path / "credential"
    secret.touch(0o600)
    secret.write_text("somebody:canary")
    access = SourceAccess(credentials=[f"{HOST}={secret}"])
    async with between() as (way, there):
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{way.port}"}
        assert await fetch(SECURE, environment, access=access) == BODY
        assert way.asked[0].startswith(f"CONNECT {HOST}:443 ")
        # What is shown to the source is inside the tunnel.
        assert "Authorization: Basic" in there.asked[0]
        assert "Authorization" not in way.asked[0]


async def test_no_scheme_means_http() -> None:
    async with between() as (way, _):
        assert await fetch(SECURE, {"https_proxy": f"127.0.0.1:{way.port}"}) == BODY


async def test_plain_http_asks_the_proxy_for_the_whole_url() -> None:
    async with between() as (way, _):
        environment = {"http_proxy": f"http://127.0.0.1:{way.port}"}
        assert await fetch(PLAIN, environment, known=True) == BODY
        assert way.asked[0].startswith(f"GET {PLAIN} ")


@pytest.mark.parametrize("url", [SECURE, PLAIN])
async def test_a_proxys_password_is_for_the_proxy_alone(url: str) -> None:
    async with between(user="me:canary") as (way, there):
        at = f"127.0.0.1:{way.port}"
        both = through(f"http://me:canary@{at}")
        assert await fetch(url, both, known=True) == BODY
        assert not any("Proxy-Authorization" in head for head in there.asked)
        without = through(f"http://{at}")
        with pytest.raises(SourceRefused, match=f"The proxy {at} wants a user and a password"):
            await fetch(url, without, known=True)
        wrong = through(f"http://me:other@{at}")
        with pytest.raises(SourceRefused) as refused:
            await fetch(url, wrong, known=True)
        assert "other" not in refused.value.message + refused.value.remedy


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (403, SourceRefused, f"does not let this node reach {HOST}"),
        (502, SourceUnreachable, f"cannot reach {HOST} now"),
    ],
)
async def test_what_a_proxy_says_is_told_as_its_own_word(
    status: int, error: type[LibraryError], said: str
) -> None:
    async with between(status=status) as (way, _):
        with pytest.raises(error, match=f"^The proxy 127.0.0.1:{way.port} {said}"):
            await fetch(SECURE, {"HTTPS_PROXY": f"http://127.0.0.1:{way.port}"})


async def test_a_proxy_that_is_away_is_named() -> None:
    async with between() as (way, _):
        port = way.port
    with pytest.raises(SourceUnreachable, match=f"^The proxy 127.0.0.1:{port} cannot be reached"):
        await fetch(SECURE, {"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    with pytest.raises(SourceUnreachable, match=r"^The proxy proxy\.invalid:3128 is not known"):
        await fetch(SECURE, {"HTTPS_PROXY": "http://proxy.invalid:3128"})


async def test_the_certificate_is_the_sources_own_to_show() -> None:
    """A proxy that answers for others is noticed."""
    async with source(speaking()) as other, proxy({"other.example:443": other.port}) as way:
        with pytest.raises(SourceTls, match="another name"):
            await fetch("https://other.example/x", {"HTTPS_PROXY": f"http://127.0.0.1:{way.port}"})
        assert other.asked == []


async def test_what_is_exempt_is_reached_directly_and_judged() -> None:
    async with between() as (way, there):
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{way.port}", "NO_PROXY": "127.0.0.0/8"}
        with pytest.raises(AddressDenied, match="a loopback address"):
            await fetch(f"https://127.0.0.1:{there.port}/x", environment)
        assert way.asked == there.asked == []


async def test_no_proxy_opens_a_way_to_itself_or_to_a_private_address() -> None:
    """An operator lets it be connected to, not fetched from."""
    async with between() as (way, _):
        both = through(f"http://127.0.0.1:{way.port}")
        for url in (f"http://127.0.0.1:{way.port}/menu", "http://10.0.0.1/x", "http://169.254.169.254/x"):
            with pytest.raises(AddressDenied):
                await fetch(url, both, known=True)
        with pytest.raises(AddressDenied):
            await fetch(f"http://127.0.0.1:{way.port}/menu", {**both, "no_proxy": "127.0.0.1"}, known=True)
        assert way.asked == []


async def test_what_is_denied_stays_so() -> None:
    async with between() as (way, _):
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{way.port}"}
        for denied in ("example", "127.0.0.0/8"):
            with pytest.raises(AddressDenied, match="operator does not let"):
                await fetch(SECURE, environment, denied=denied)
        assert way.asked == []
