"""A VM's door: its guest reports to the node there, once, and may find its documents there until then.

What comes in is a hostile guest's until judged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from image_library.domain.errors import ConsoleMissing
from image_library.domain.guest_requests import Refusal, Request, RequestReader
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import ConsoleLine, GuestDoors
from image_library.node.services.door_keeper import Answer, DoorKeeper

log = structlog.get_logger()

RETRY_SECONDS = 1.0
# What is read of a guest's flood; the rest holds up the guest and nobody else.
BYTES_PER_SECOND = 1 << 20
MOST_ANSWERS_A_MINUTE = 30
MINUTE = 60.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """With a guest, in seconds."""

    # After a refusal it is listened to again once it has been silent for this long.
    quiet: float = 1.0
    # From a request's first byte to its last.
    request: float = 10.0
    # For each piece: one that does not take its answers is left, and found again.
    answer: float = 2.0


class GuestDoor:
    """One VM's. ``run`` while the VM does."""

    def __init__(
        self,
        vm_id: str,
        *,
        doors: GuestDoors,
        keeper: DoorKeeper,
        clock: Clock,
        patience: Patience = Patience(),
    ) -> None:
        self._vm_id = vm_id
        self._doors = doors
        self._keeper = keeper
        self._clock = clock
        self._patience = patience
        self._reader = RequestReader(serves=keeper.serves(vm_id))
        self._begun = 0.0
        self._minute = 0.0
        self._answers = 0

    async def run(self, *, again: bool) -> None:
        """Serves until it is cancelled. ``again``: the guest may wait for an answer that never came."""
        while True:
            try:
                line = await self._doors.open(self._vm_id)
            except ConsoleMissing:
                await self._clock.sleep(RETRY_SECONDS)
                continue
            try:
                if again:
                    await self._answer(line, Answer(status=HTTPStatus.SERVICE_UNAVAILABLE))
                await self._serve(line)
            except TimeoutError:
                log.info("guest_takes_no_answers", vm_id=self._vm_id)
            finally:
                line.close()
            again = True
            await self._clock.sleep(RETRY_SECONDS)

    async def _serve(self, line: ConsoleLine) -> None:
        self._reader.begin_anew()
        while True:
            try:
                async with asyncio.timeout(self._patience.quiet):
                    data = await line.read()
            except TimeoutError:
                await self._was_quiet(line)
                continue
            if not data:
                return
            await self._take(line, data)
            await self._clock.sleep(len(data) / BYTES_PER_SECOND)

    async def _was_quiet(self, line: ConsoleLine) -> None:
        if self._reader.is_deaf:
            self._reader.begin_anew()
        elif self._is_late:
            self._reader.begin_anew()
            await self._answer(line, Answer(status=HTTPStatus.REQUEST_TIMEOUT))

    @property
    def _is_late(self) -> bool:
        return self._reader.is_midway and self._clock.monotonic() - self._begun > self._patience.request

    async def _take(self, line: ConsoleLine, data: bytes) -> None:
        if not self._reader.is_midway:
            self._begun = self._clock.monotonic()
        for came in self._reader.read(data):
            self._begun = self._clock.monotonic()
            answer = await self._answer_to(came)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                log.info("guest_request_refused", vm_id=self._vm_id, status=int(answer.status))
            await self._answer(line, answer)
        if self._is_late:
            self._reader.turn_deaf()
            await self._answer(line, Answer(status=HTTPStatus.REQUEST_TIMEOUT))

    async def _answer_to(self, came: Request | Refusal) -> Answer:
        now = self._clock.monotonic()
        if now - self._minute > MINUTE:
            self._minute, self._answers = now, 0
        self._answers += 1
        if self._answers > MOST_ANSWERS_A_MINUTE:
            self._reader.turn_deaf()
            return Answer(status=HTTPStatus.TOO_MANY_REQUESTS)
        if isinstance(came, Refusal):
            return Answer(status=came.status)
        return await self._keeper.answer(self._vm_id, came)

    async def _answer(self, line: ConsoleLine, answer: Answer) -> None:
        """Only the guest can end its connection: it is told to, and that nothing follows.

        Raises:
            TimeoutError: it does not take the answer.
        """
        for piece in answer.said():
            async with asyncio.timeout(self._patience.answer):
                await line.write(piece)
