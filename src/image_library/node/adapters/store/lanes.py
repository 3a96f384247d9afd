"""Threads that take a stream of blocks in order, so that the event loop neither writes nor hashes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

# A few tens of milliseconds of a fast network: enough to keep everybody busy, little to lose in a kill.
MOST_QUEUED = 16 << 20
_LARGEST_BATCH = 64


class Lane:
    """One thread that works on blocks as they come, several at a time when it is behind."""

    def __init__(self, work: Callable[[list[bytes]], None], *, name: str) -> None:
        self._work = work
        self._blocks: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        # Bytes worked on; written by the thread only.
        self.done = 0
        self.error: Exception | None = None
        self.notify: Callable[[], None] = lambda: None
        self._thread.start()

    def give(self, block: bytes) -> None:
        self._blocks.put(block)

    def end(self) -> None:
        """Let the thread end after what was given so far."""
        self._blocks.put(None)

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._next())[0] is not None:
            blocks = [block for block in batch if block is not None]
            try:
                if self.error is None:
                    self._work(blocks)
            except Exception as error:
                self.error = error
            self.done += sum(map(len, blocks))
            self.notify()
            if batch[-1] is None:
                return

    def _next(self) -> list[bytes | None]:
        batch = [self._blocks.get()]
        try:
            while batch[-1] is not None and len(batch) < _LARGEST_BATCH:
                batch.append(self._blocks.get_nowait())
        except Empty:
            pass
        return batch


class Lanes:
    """Gives every block to each lane, and holds its giver back while one of them is behind."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._given = 0
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        for lane in lanes:
            lane.notify = self._progressed

    async def put(self, block: bytes) -> None:
        self.raise_error()
        self._given += len(block)
        for lane in self._lanes:
            lane.give(block)
        if self._behind > MOST_QUEUED:
            await self._catch_up()
            self.raise_error()

    async def finish(self) -> None:
        """Wait until all lanes have worked on everything; their threads are gone then."""
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            await asyncio.to_thread(lane.join)

    def raise_error(self) -> None:
        for lane in self._lanes:
            if lane.error is not None:
                raise lane.error

    @property
    def _behind(self) -> int:
        return self._given - min(lane.done for lane in self._lanes)

    async def _catch_up(self) -> None:
        while self._behind > MOST_QUEUED // 2:
            # The bell first, then another look: a lane that ends in between is not missed.
            self._waiter = self._loop.create_future()
            if self._behind > MOST_QUEUED // 2:
                await self._waiter
        self._waiter = None

    def _progressed(self) -> None:
        if self._waiter is not None and self._behind <= MOST_QUEUED // 2:
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
