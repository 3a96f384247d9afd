"""An HTTP proxy on loopback: tunnels (CONNECT) and absolute URLs, to where it was told that names lead."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Proxy:
    port: int
    # "HOST:PORT" to a port of loopback.
    leads: Mapping[str, int]
    # Who may use it; "": everybody.
    user: str = ""
    # What it answers instead of doing its work; 0: it works.
    status: int = 0
    # The heads of the requests that came.
    asked: list[str] = field(default_factory=list[str])

    def refusal(self, head: str) -> int:
        shown = f"Proxy-Authorization: Basic {base64.b64encode(self.user.encode()).decode()}"
        if self.user and shown not in head:
            return 407
        return self.status


@asynccontextmanager
async def proxy(leads: Mapping[str, int], *, user: str = "", status: int = 0) -> AsyncGenerator[Proxy]:
    served = Proxy(port=0, leads=leads, user=user, status=status)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            served.asked.append(head)
            method, target, _ = head.split(" ", 2)
            place = target if method == "CONNECT" else urlsplit(target).netloc
            refused = served.refusal(head) or (0 if place in served.leads else 502)
            if refused:
                writer.write(f"HTTP/1.1 {refused} No\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
                return
            there, back = await asyncio.open_connection("127.0.0.1", served.leads[place])
            with closing(back):
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    back.write(_forwarded(head, target))
                await asyncio.gather(_carry(reader, back), _carry(there, writer))

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        served.port = listening.sockets[0].getsockname()[1]
        yield served


def _forwarded(head: str, target: str) -> bytes:
    """The request as its source gets it, without what was for the proxy."""
    own = "Proxy-Authorization:"
    lines = [line for line in head.split("\r\n") if not line.startswith(own)]
    return "\r\n".join(lines).replace(target, urlsplit(target).path, 1).encode("latin-1")


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
        writer.write_eof()
