"""A network that leads everywhere and nowhere, and counts: the fetcher against what it must never ask.

    unshare -n python -m tests.support.counted_network

Every address, public or not, is this machine's own, and something answers at ports 80 and 443 of each: a
packet to a denied one would be sent, counted by the kernel and answered. Prints one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass

from image_library.domain.addresses import AllowedSources
from image_library.domain.errors import LibraryError
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.connector import judged_connector, system_lookup
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import MOST_REDIRECTS, SourcePolicy
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.fetching import Source
from tests.data.denied_addresses import FOUR, SIX, SPELLINGS

# Where redirects come from: the only address that packets may go to.
SERVER = "151.101.2.132"
_NETWORK = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "address", "add", f"{SERVER}/32", "dev", "lo"),
    ("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"),
    ("ip", "-6", "route", "add", "local", "::/0", "dev", "lo"),
)
_RULES = f"""
table inet counted {{
  counter server {{ }}
  counter elsewhere {{ }}
  chain out {{
    type filter hook output priority 0
    meta l4proto != {{ tcp, udp }} accept
    ip daddr {SERVER} counter name server accept
    counter name elsewhere
  }}
}}
"""
_DENIED = (*FOUR, *SIX)
_RULES_OF_ONE_TRY = RetryRules(attempts=1, first_wait=0.0, patience=5.0)
# Beyond what the redirecting server leads to.
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"


@dataclass(frozen=True, kw_only=True)
class Counted:
    tried: int
    refused: int
    # Redirects that were followed before the denied place was named.
    followed: int
    # Packets.
    server: int
    elsewhere: int
    # What the same way of counting says of an address that an operator allowed.
    elsewhere_when_allowed: int
    seconds: float


def packets(name: str) -> int:
    listed = subprocess.run(
        ["nft", "-j", "list", "counter", "inet", "counted", name], check=True, capture_output=True
    )
    [found] = [row["counter"] for row in json.loads(listed.stdout)["nftables"] if "counter" in row]
    return int(found["packets"])


class _Server:
    """``/N/LEFT`` redirects to itself LEFT times, and then to the spelling N; anything else is a secret."""

    def __init__(self) -> None:
        self.followed = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            writer.write(self._redirect(path) if path != "/secret" else _ANSWER)
            await writer.drain()

    def _redirect(self, path: str) -> bytes:
        self.followed += 1
        number, left = map(int, path.strip("/").split("/"))
        to = f"/{number}/{left - 1}" if left else f"http://{SPELLINGS[number]}/secret"
        return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def lookup(host: str, port: int) -> list[str]:
    """``N.denied.example`` and ``N.mixed.example`` have the denied address N; the system knows the rest."""
    number, _, kind = host.partition(".")
    if kind == "denied.example":
        return [_DENIED[int(number)]]
    if kind == "mixed.example":
        return [SERVER, _DENIED[int(number)]]
    if host.rstrip(".") == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no valid host name") from error
    return await system_lookup(host, port)


def fetcher(stack: AsyncExitStack, allowed: str = "") -> HttpFetcher:
    policy, clock = SourcePolicy(allowed=AllowedSources.parse(allowed)), SystemClock()
    session = open_session(judged_connector(policy, lookup))
    stack.push_async_callback(session.close)
    traffic = Traffic(clock, per_host=0)
    return HttpFetcher(session=session, policy=policy, clock=clock, rules=_RULES_OF_ONE_TRY, traffic=traffic)


async def refused(asked: HttpFetcher, url: str) -> bool:
    try:
        await asked.read_small(Source(url=url, digest_known=True), limit=100, waiting=lambda _: None)
    except LibraryError:
        return True
    return False


async def count() -> Counted:
    urls = [f"{scheme}://{spelling}/secret" for scheme in ("http", "https") for spelling in SPELLINGS]
    urls += [f"http://{SERVER}/{n}/{n % MOST_REDIRECTS}" for n in range(len(SPELLINGS))]
    kinds = ("denied.example", "mixed.example")
    urls += [f"http://{n}.{kind}/secret" for kind in kinds for n in range(len(_DENIED))]
    began, server = time.monotonic(), _Server()
    async with AsyncExitStack() as stack:
        for port in (80, 443):
            for host in ("0.0.0.0", "::"):
                await stack.enter_async_context(await asyncio.start_server(server.answer, host, port))
        asked = fetcher(stack)
        count_refused = 0
        # The first that is not refused is enough to know.
        while count_refused < len(urls) and await refused(asked, urls[count_refused]):
            count_refused += 1
        before = packets("elsewhere")
        for address in ("10.0.0.1", "[fd00:ec2::254]"):
            if await refused(fetcher(stack, address.strip("[]")), f"http://{address}/secret"):
                raise RuntimeError(f"{address} cannot be reached even where it is allowed")
    return Counted(
        tried=len(urls),
        refused=count_refused,
        followed=server.followed,
        server=packets("server"),
        elsewhere=before,
        elsewhere_when_allowed=packets("elsewhere") - before,
        seconds=time.monotonic() - began,
    )


def main() -> None:
    for command in _NETWORK:
        subprocess.run(command, check=True)
    subprocess.run(["nft", "-f", "-"], check=True, input=_RULES, text=True)
    print(json.dumps(asdict(asyncio.run(count()))))


if __name__ == "__main__":
    main()
