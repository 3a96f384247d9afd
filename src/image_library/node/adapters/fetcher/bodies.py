"""The bytes of an answer, as they come.

The HTTP library copies them twice before it gives them away. Where a body is nothing but the next so many
bytes of its connection, they are read past the library: the kernel writes into one of two buffers while the
other is used.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp
from aiohttp import hdrs

# Small enough to stay in the processor's cache: larger ones were measured to be slower.
BUFFER = 256 << 10
# Once no more than this is to come, it is taken without a pause: a loop's TLS layer throws away what it still
# has (256 KiB, and a read) where the source closes the connection and nobody reads.
_REST = 1 << 20


class Body(Protocol):
    async def read(self) -> bytes | memoryview:
        """What came, good until the next call; empty at the end.

        Raises:
            aiohttp.ClientError, OSError: the body ended before its end.
        """
        ...


def body_of(response: aiohttp.ClientResponse) -> Body:
    """The body of ``response``, whose head was just read."""
    connection, length = response.connection, response.content_length
    transport = connection.transport if connection else None
    framed = hdrs.TRANSFER_ENCODING in response.headers or not length
    if framed or transport is None or response.content.is_eof():
        return _FramedBody(response.content)
    return _PlainBody(transport, early=response.content.read_nowait(), length=length or 0)


class _FramedBody:
    """One that the library has to take apart, or has in full already."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def read(self) -> bytes:
        while True:
            try:
                block, _ = await self._content.readchunk()
            except RuntimeError as error:
                # The library's word for a connection that it closed itself over a broken chunk.
                raise aiohttp.ClientPayloadError(str(error)) from error
            # The end of a chunk comes as an empty block.
            if block or self._content.at_eof():
                return block


class _PlainBody(asyncio.BufferedProtocol):
    """Takes the connection over from the library, which is told only of its end."""

    def __init__(self, transport: asyncio.Transport, *, early: bytes, length: int) -> None:
        self._transport = transport
        self._library = transport.get_protocol()
        self._early = early
        self._left = length
        self._to_come = length - len(early)
        first = BUFFER if self._to_come > _REST else max(1, self._to_come)
        self._filling, self._given = memoryview(bytearray(first)), memoryview(bytearray(BUFFER))
        self._filled = 0
        self._ended = self._paused = False
        self._error: Exception | None = None
        self._bell: asyncio.Future[None] | None = None
        # A transport asks who reads, and how, only when reading begins.
        transport.pause_reading()
        transport.set_protocol(self)
        transport.resume_reading()

    async def read(self) -> bytes | memoryview:
        block = self._early or await self._next()
        self._early = b""
        # What a source sends beyond the length that it gave is not the body's.
        block = block[: self._left]
        self._left -= len(block)
        return block

    async def _next(self) -> memoryview:
        while self._left and not self._filled:
            if self._ended:
                raise aiohttp.ClientPayloadError("the connection ended too early") from self._error
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell
        count, self._filled = self._filled, 0
        self._filling, self._given = self._given, self._filling
        if self._to_come <= _REST:
            self._filling = memoryview(bytearray(max(1, self._to_come)))
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return self._given[:count]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._filling[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._to_come -= nbytes
        if self._filled == len(self._filling):
            self._paused = True
            self._transport.pause_reading()
        self._ring()

    def eof_received(self) -> None:
        self._ended = True
        self._ring()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        self._ring()
        self._library.connection_lost(exc)

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
