"""The doors of guests that reach their node by a network: anybody there may knock, and is a hostile guest."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from image_library.domain.guest_requests import Refusal, Request, RequestReader
from image_library.node.ports.clock import Clock
from image_library.node.services.door_keeper import Answer, DoorKeeper

log = structlog.get_logger()
MINUTE = 60.0
BLOCK = 4 << 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    # At once, of all and of one address.
    connections: int = 64
    connections_of_one: int = 4
    # Requests of one address, and addresses that are counted; beyond these nobody new is answered.
    a_minute: int = 30
    addresses: int = 1024
    # Seconds from a connection's begin to its request's end, and for each piece of the answer.
    request: float = 10.0
    answer: float = 10.0


class GuestHttp:
    """One request and one answer a connection."""

    def __init__(self, keeper: DoorKeeper, clock: Clock, limits: Limits = Limits()) -> None:
        self._keeper = keeper
        self._clock = clock
        self._limits = limits
        self._open: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._minute = 0.0

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError, TimeoutError):
            try:
                with self._room_for(peer := str(writer.get_extra_info("peername", ("",))[0])) as there_is:
                    if there_is and (answer := await self._answered(reader, peer)):
                        await self._say(writer, answer)
            finally:
                writer.close()

    @contextmanager
    def _room_for(self, peer: str) -> Generator[bool]:
        limits, held = self._limits, self._open
        if held.total() >= limits.connections or held[peer] >= limits.connections_of_one:
            yield False
            return
        held[peer] += 1
        try:
            yield True
        finally:
            held[peer] -= 1
            self._open += Counter()

    async def _answered(self, reader: StreamReader, peer: str) -> Answer | None:
        try:
            async with asyncio.timeout(self._limits.request):
                came = await _request(reader)
        except TimeoutError:
            return Answer(status=HTTPStatus.REQUEST_TIMEOUT)
        answer = await self._answer_to(came, peer) if came else None
        if answer and answer.status >= HTTPStatus.BAD_REQUEST:
            log.info("guest_request_refused", peer=peer, status=int(answer.status))
        return answer

    async def _answer_to(self, came: Request | Refusal, peer: str) -> Answer:
        if not self._may_ask(peer):
            return Answer(status=HTTPStatus.TOO_MANY_REQUESTS)
        if isinstance(came, Refusal):
            return Answer(status=came.status)
        return await self._keeper.answer_from_network(came)

    def _may_ask(self, peer: str) -> bool:
        now = self._clock.monotonic()
        if now - self._minute > MINUTE:
            self._minute = now
            self._asked.clear()
        if peer not in self._asked and len(self._asked) >= self._limits.addresses:
            return False
        self._asked[peer] += 1
        return self._asked[peer] <= self._limits.a_minute

    async def _say(self, writer: StreamWriter, answer: Answer) -> None:
        for piece in answer.said():
            async with asyncio.timeout(self._limits.answer):
                writer.write(piece)
                await writer.drain()


async def _request(reader: StreamReader) -> Request | Refusal | None:
    """The first one; None where the other side leaves before its end."""
    requests = RequestReader(serves=True)
    while data := await reader.read(BLOCK):
        for came in requests.read(data):
            return came
    return None
