"""Pieces of memory that a stream of bytes passes through on its way to threads that write and hash them.

The event loop fills a piece and hands it to every lane; when all are done with it, it is filled again.
Few large pieces instead of many small blocks: threads of Python wake each other expensively. Where bytes
come slowly nobody is busy, and what came is handed over at once: a kill takes little of it.
"""

from __future__ import annotations

import asyncio
import mmap
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

# What one write carries at most.
PIECE = 256 << 10
# Idle threads are given no less than this, and always a multiple of it: direct writes need that.
SMALLEST = 64 << 10
# As many as keep everybody busy; a giver who finds none free waits.
COUNT = 24
# As many may wait for the first lane, which writes, when another is begun: what was taken and is not in the
# file is what a kill costs, with the one that is being filled three quarters of a MiB at most.
UNWRITTEN = 2

Work = Callable[[memoryview], None]


class _Piece:
    """Memory of its own pages, as writes past the page cache need aligned addresses."""

    def __init__(self) -> None:
        self.memory = memoryview(mmap.mmap(-1, PIECE))
        self.filled = 0
        # Lanes that are not done with it yet.
        self.wanted = 0


class Lane:
    """One thread that works on pieces in their order. After its first error it works on none."""

    def __init__(self, work: Work, *, name: str, done: Callable[[_Piece], None]) -> None:
        self._work = work
        self._done = done
        self._pieces: SimpleQueue[_Piece | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: Exception | None = None
        # Each counted by one thread: the giver's, and its own.
        self.given = self.worked = 0
        self._thread.start()

    def give(self, piece: _Piece) -> None:
        self.given += 1
        self._pieces.put(piece)

    @property
    def behind(self) -> int:
        """Pieces that it was given and is not done with."""
        return self.given - self.worked

    def end(self) -> None:
        self._pieces.put(None)

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                if self.error is None:
                    self._work(piece.memory[: piece.filled])
            except Exception as error:
                self.error = error
            self.worked += 1
            self._done(piece)


class Pieces:
    """Gives every byte to each lane, in order, and holds its giver back while one of them is behind.

    The first lane is the one that makes bytes survive a kill; it is allowed less of a backlog.
    """

    def __init__(self, lanes: Sequence[tuple[str, Work]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._free: list[_Piece] = []
        self._made = 0
        # Pieces that lanes work on.
        self._busy = 0
        self._current: _Piece | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lanes = [Lane(work, name=name, done=self._is_done) for name, work in lanes]
        self._writing = self._lanes[0]

    async def put(self, block: bytes | memoryview) -> None:
        """Take bytes, all of them.

        Raises:
            The first error of a lane, soon after it happened.
        """
        view = memoryview(block)
        while view:
            piece = self._current or await self._next()
            taken = min(len(view), PIECE - piece.filled)
            piece.memory[piece.filled : piece.filled + taken] = view[:taken]
            piece.filled += taken
            view = view[taken:]
            if piece.filled == PIECE:
                self._hand_over()
        await self._early()

    async def _early(self) -> None:
        """Give idle lanes what there is."""
        if not self._busy:
            await self._hand_over_whole()

    async def settle(self) -> None:
        """Wait until what came is worked on, but for a rest that is smaller than SMALLEST.

        Raises:
            The first error of a lane.
        """
        await self._hand_over_whole()
        while self._busy:
            # The bell first, then another look, as in ``_next``.
            self._waiter = self._loop.create_future()
            if self._busy:
                await self._waiter
        self._waiter = None
        self.raise_error()

    async def _hand_over_whole(self) -> None:
        """Hand over as much as may be written before more comes; the rest begins the next piece."""
        piece = self._current
        if piece is None or piece.filled < SMALLEST:
            return
        whole = piece.filled - piece.filled % SMALLEST
        # A copy, as the next piece may be this one again.
        rest = bytes(piece.memory[whole : piece.filled])
        piece.filled = whole
        self._hand_over()
        if rest:
            following = await self._next()
            following.memory[: len(rest)] = rest
            following.filled = len(rest)

    async def finish(self) -> None:
        """Hand over what is left and wait for all threads to end. Errors are left for ``raise_error``."""
        self._hand_over()
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            await asyncio.to_thread(lane.join)
        # Given back now: what refers to itself waits for a collector that rarely comes.
        self._free.clear()

    def raise_error(self) -> None:
        for lane in self._lanes:
            if lane.error is not None:
                raise lane.error

    def _hand_over(self) -> None:
        piece, self._current = self._current, None
        if piece is not None and piece.filled:
            piece.wanted = len(self._lanes)
            with self._lock:
                self._busy += 1
            for lane in self._lanes:
                lane.give(piece)

    async def _next(self) -> _Piece:
        self.raise_error()
        while True:
            # The bell first, then another look: a piece that comes back in between is not missed.
            self._waiter = self._loop.create_future()
            if self._writing.behind <= UNWRITTEN:
                with self._lock:
                    if self._free:
                        piece = self._free.pop()
                        break
                if self._made < COUNT:
                    self._made += 1
                    piece = _Piece()
                    break
            await self._waiter
        self._waiter = None
        piece.filled = 0
        self._current = piece
        return piece

    def _is_done(self, piece: _Piece) -> None:
        with self._lock:
            piece.wanted -= 1
            if not piece.wanted:
                self._busy -= 1
                self._free.append(piece)
        if self._waiter is not None:
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
