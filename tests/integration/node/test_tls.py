"""Certificates that are not accepted, told with the reason."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from image_library.domain.addresses import AllowedSources
from image_library.domain.errors import LibraryError, SourceTls, SourceUnreachable
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.ports.fetching import Source
from tests.fakes.node_workbench import QUICK

CA = trustme.CA()
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@asynccontextmanager
async def server(certificate: trustme.LeafCert) -> AsyncGenerator[int]:
    """Answers every request with "hello" over TLS; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with certificate.private_key_and_cert_chain_pem.tempfile() as pem:
        context.load_cert_chain(pem)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def fetch(port: int) -> bytes:
    trusted = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
    policy = SourcePolicy(allowed=AllowedSources.parse("127.0.0.0/8,::1"))
    async with open_session(judged_connector(policy, tls=trusted)) as session:
        fetcher = HttpFetcher(session=session, policy=policy, clock=SystemClock(), rules=QUICK)
        return await fetcher.read_small(
            Source(url=f"https://127.0.0.1:{port}/x"), limit=100, waiting=lambda _: None
        )


async def test_a_good_certificate_is_accepted() -> None:
    async with server(CA.issue_cert("127.0.0.1")) as port:
        assert await fetch(port) == b"hello"


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        pytest.param(trustme.CA().issue_cert("127.0.0.1"), "issuer", id="unknown authority"),
        pytest.param(CA.issue_cert("other.example"), "mismatch", id="another name"),
        pytest.param(CA.issue_cert("127.0.0.1", not_after=YESTERDAY), "expired", id="expired"),
    ],
)
async def test_a_bad_certificate_is_refused_with_its_reason(
    certificate: trustme.LeafCert, reason: str
) -> None:
    async with server(certificate) as port:
        with pytest.raises(SourceTls, match=reason):
            await fetch(port)


async def test_a_port_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    async with server(CA.issue_cert("127.0.0.1")) as port:
        pass
    with pytest.raises(SourceUnreachable, match="cannot be reached") as refused:
        await fetch(port)
    assert isinstance(refused.value, LibraryError)
