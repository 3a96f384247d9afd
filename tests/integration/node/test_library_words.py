"""What a node makes of the control plane's own reasons for giving no copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from image_library.controlplane.handlers.error_body import error_response
from image_library.domain.errors import (
    ImageNotReady,
    LibraryError,
    NodeUnreachable,
    SourceRefused,
    Unauthenticated,
)
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import LibraryRoutes
from image_library.node.ports.fetching import Early, Source
from tests.fakes.node_workbench import QUICK

SOURCE = Source(url="sha256:" + "ab" * 32, digest_known=True)


class Nothing:
    """A receiver that has nothing, and gets nothing."""

    offset = 0
    total = 0
    validator = ""
    early: tuple[Early, ...] = ()

    async def begin_early(self, offset: int, length: int) -> Early:
        raise AssertionError(f"{length} bytes came early, for {offset}")

    async def forget_early(self, early: Early) -> None:
        raise AssertionError(f"bytes came early, for {early.begin}")

    async def expect(self, total: int, validator: str) -> None:
        raise AssertionError(f"{total} bytes came with {validator!r}")

    async def write(self, block: bytes | memoryview) -> None:
        raise AssertionError(f"{len(block)} bytes came")

    async def restart(self) -> None:
        """There is nothing to forget."""


@asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A control plane that says so to whatever it is asked; its URL and the requests."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def fetched(url: str) -> None:
    async with open_session(aiohttp.TCPConnector(force_close=True), authorization="Bearer join") as session:
        routes = LibraryRoutes(url)
        fetcher = HttpFetcher(session=session, policy=routes, clock=SystemClock(), rules=QUICK, ours=True)
        await fetcher.fetch(SOURCE, Nothing(), lambda _: None)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (NodeUnreachable("'debian-12' is on one, which does not answer."), 503),
        (ImageNotReady("No node has the image."), 412),
    ],
)
async def test_what_may_pass_is_tried_again_and_told_in_the_librarys_words(
    said: LibraryError, status: int
) -> None:
    async with answering(status, bytes(error_response(said, status).body)) as (url, asked):
        with pytest.raises(type(said), match=said.message):
            await fetched(url)
    assert len(asked) == QUICK.attempts
    assert asked[0].startswith(f"GET /blobs/sha256/{'ab' * 32} ".encode())
    assert b"Bearer join" in asked[0]


async def test_what_will_not_pass_ends_it_at_once() -> None:
    said = Unauthenticated("The token is not accepted.")
    async with answering(401, bytes(error_response(said, 401).body)) as (url, asked):
        with pytest.raises(Unauthenticated, match="not accepted"):
            await fetched(url)
    assert len(asked) == 1


async def test_a_refusal_in_other_words_is_one_all_the_same() -> None:
    async with answering(403, b"<html>Forbidden</html>") as (url, _):
        with pytest.raises(SourceRefused, match="HTTP 403"):
            await fetched(url)
