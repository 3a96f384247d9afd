"""Connections to judged addresses only: what was looked up and judged is what is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from image_library.domain.errors import AddressDenied
from image_library.node.adapters.fetcher.policy import SourcePolicy

# Looks a host up: its addresses as text.
Lookup = Callable[[str, int], Awaitable[list[str]]]


async def system_lookup(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        # An empty label, or one that is too long.
        raise socket.gaierror(socket.EAI_NONAME, "no valid host name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class JudgingResolver(AbstractResolver):
    """Every address of a host is judged before any is used; one that may not be is enough to refuse."""

    def __init__(self, policy: SourcePolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self.approved: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        trusted = self._policy.trusts(host, port)
        for address in addresses:
            self._policy.judge_address(address, host, trusted=trusted)
        self.approved.update(addresses)
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""

    def make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for a connection, only to what ``resolve`` approved or to a literal that may be."""
        family, kind, protocol, _, address = info
        host, port = str(address[0]), int(address[1])
        if host not in self.approved:
            try:
                self._policy.judge_address(host, host, trusted=self._policy.trusts(host, port))
            except AddressDenied as denied:
                raise OSError(denied.message) from denied
        return socket.socket(family=family, type=kind, proto=protocol)


def _result(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def judged_connector(
    policy: SourcePolicy, lookup: Lookup = system_lookup, *, tls: Any = True
) -> aiohttp.TCPConnector:
    """A connector for one fetcher. ``tls`` is an SSLContext, or True for the system's authorities."""
    resolver = JudgingResolver(policy, lookup)
    return aiohttp.TCPConnector(
        resolver=resolver,
        socket_factory=resolver.make_socket,
        use_dns_cache=False,
        # Each fetch has its own connection; what a source left on an old one is never read.
        force_close=True,
        limit=0,
        ssl=tls,
    )
