"""Calls with a key: done once, however often they are sent, together or after any end of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.download_outcome import failure_of
from image_library.domain.errors import Kind, LibraryError, rebuild
from image_library.domain.repeats import KnownCall, valid_key

log = structlog.get_logger()

# Errors that pass by themselves: nothing was answered yet, and the same call may be tried again.
_PASSING = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.INTERNAL, Kind.CANCELLED})


class RepeatedCalls:
    """A call is written down before it begins and answered from what is written down once it has ended.

    Between the two, what it makes is noted in the very transaction that makes it (``Calls.note``): a call
    that is sent again after a crash finds it there (``Calls.made``).
    """

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def once(
        self, *, key: str, rpc: str, request_digest: str, do: Callable[[bool], Awaitable[str]]
    ) -> str:
        """The answer of ``do``, now or as it was the first time. Its argument: it may have begun before.

        Raises:
            InvalidRequest: the key cannot be one.
            IdempotencyConflict: it was used for another call.
            Whatever the call itself raises, or raised the first time.
        """
        asked = KnownCall(
            id=valid_key(key), rpc=rpc, request_digest=request_digest, created_at=self._clock.now()
        )
        async with self._turn(key):
            call, again = await self._claim(asked)
            if call.answered:
                return _answer(call)
            try:
                answer = await do(again)
            except LibraryError as error:
                if error.kind not in _PASSING:
                    await self._end(asked, failure=failure_of(error), failed_field=error.field)
                raise
            await self._end(asked, answer=answer)
            return answer

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncGenerator[None]:
        """One call with a key at a time; the others wait for its answer."""
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            yield

    async def _claim(self, asked: KnownCall) -> tuple[KnownCall, bool]:
        """The call as it is written down, and whether it was before."""
        async with self._database.write() as records:
            known = await records.calls.get(asked.id)
            if known is None:
                await records.calls.save(asked)
                return asked, False
        known.same_as(asked)
        return known, True

    async def _end(self, asked: KnownCall, **changes: object) -> None:
        try:
            async with self._database.write() as records:
                known = await records.calls.get(asked.id) or asked
                await records.calls.save(known.evolve(answered=True, **changes))
        except LibraryError as error:
            # The effect is noted; who asks again gets its answer from that.
            log.warning("answer_not_kept", rpc=asked.rpc, code=error.code)


def _answer(call: KnownCall) -> str:
    if call.failure is None:
        return call.answer
    failed = call.failure
    raise rebuild(failed.code, failed.message, remedy=failed.remedy, field=call.failed_field)
