"""One file over several connections, where its server gives each of them less than could be had.

A fetch begins with one connection, which writes to the receiver. Once that one has run steadily while nothing
here was busy, others are tried: each asks for a piece further on, and what it brings lies beside the part
until its turn. When the first connection reaches the first such piece it ends, and all go on alike: pieces in
the order of the file, and one reader that hands them to the receiver. More connections stay only where the
whole became faster by a clear factor. Whatever goes wrong with one of them is no fault of the download: it
goes on over one connection, from where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass

import structlog

from image_library.node.adapters.fetcher.busy import busy_seconds
from image_library.node.adapters.fetcher.failures import TryAgain
from image_library.node.adapters.fetcher.spans import Span, left, next_gap
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.clock import Clock
from image_library.node.ports.fetching import Early, Receiver

log = structlog.get_logger()

# What a connection holds back before it is written: each may lose so much to a kill.
_BLOCK = 128 << 10

Blocks = AsyncGenerator[bytes | memoryview]
# Gives the bytes of that span of the file, exactly these, and judges the answer by what is known of the file.
Ask = Callable[[int, int], Blocks]


@dataclass(frozen=True, kw_only=True)
class SeveralRules:
    """Bytes and seconds where nothing else is said."""

    # For one file; 1: never several.
    connections: int = 4
    # Twice as many must be so many times as fast.
    gain: float = 1.3
    # Rates are measured over this long; so often may they fall short before it counts.
    window: float = 0.25
    windows: int = 8
    # Two rates in a row that differ by no more than this part are steady.
    steady: float = 0.25
    # Above this share of one processor it is this process that is slow.
    busy: float = 0.5
    # What is left must be worth it.
    least_left: int = 32 << 20
    least_seconds: float = 2.0
    # One piece takes about so long, within these sizes.
    lasts: float = 4.0
    smallest: int = 4 << 20
    largest: int = 64 << 20
    # A host that gained nothing, or refused, is asked over one connection for so long.
    forgets: float = 600.0


@dataclass(eq=False)
class _Piece:
    begin: int
    end: int

    @property
    def span(self) -> Span:
        return self.begin, self.end

    def __len__(self) -> int:
        return self.end - self.begin


class Several:
    """The connections of one attempt. Used by one task, beside those of its own."""

    def __init__(
        self, receiver: Receiver, *, host: str, ask: Ask, rules: SeveralRules, clock: Clock, traffic: Traffic
    ) -> None:
        self._receiver = receiver
        self._host = host
        self._ask = ask
        self._rules = rules
        self._clock = clock
        self._traffic = traffic
        # Bytes that all connections brought, and seconds that the first one was waited for.
        self._came = 0
        self._waited = 0.0
        self._pieces: set[_Piece] = set()
        self._size = rules.smallest
        self._level = 1
        # Where the first connection ends once others are tried; whether it brings bytes, and ended there.
        self._first_ends = 0
        self._streams = self.cut = False
        # Whether what came early is being handed to the receiver.
        self._reads = False
        # By number; that of 0 goes on where the first connection ended, the others hold a slot of the host's.
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._conductor: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """All others end with the block."""
        try:
            yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        tasks = [*self._workers.values(), *([self._conductor] if self._conductor else [])]
        self._level = 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def limit(self) -> int:
        """Where the first connection ends: what follows is somebody else's, or the file's end."""
        ahead = [begin for begin, _ in self._taken() if begin >= self._receiver.offset]
        return min(ahead, default=self._receiver.total)

    def may_begin(self) -> None:
        """The answer that the first connection got allows others."""
        if self._conductor is None and self._rules.connections > 1:
            self._conductor = asyncio.create_task(self._conduct(), name="connections")

    async def first(self, blocks: Blocks) -> Blocks:
        """The first connection's blocks, up to ``limit``."""
        self._streams, self.cut = True, False
        try:
            while True:
                asked = self._clock.monotonic()
                block = await anext(blocks, None)
                if block is None:
                    return
                self._waited += self._clock.monotonic() - asked
                self._came += len(block)
                limit = self.limit
                if limit < self._receiver.total:
                    block = block[: limit - self._receiver.offset]
                if block:
                    yield block
                if self._receiver.offset == limit < self._receiver.total:
                    self.cut = True
                    return
        finally:
            self._streams = False
            await blocks.aclose()

    async def bring(self) -> None:
        """Hand what came early to the receiver, for as long as it is its turn or soon will be."""
        self._reads = True
        if self._level > 1:
            self._start(0)
        try:
            while await self._step():
                pass
        finally:
            self._reads = False

    async def _step(self) -> bool:
        receiver, moved = self._receiver, self._moved
        for early in receiver.early:
            if early.begin <= receiver.offset < early.end:
                await receiver.write(await early.read(receiver.offset))
                self._wake()
                return True
            if early.end <= receiver.offset and not self._grows(early):
                await receiver.forget_early(early)
                return True
        if receiver.offset == receiver.total or not self._workers:
            return False
        await moved.wait()
        return True

    def _grows(self, early: Early) -> bool:
        return any(piece.begin == early.begin for piece in self._pieces)

    def _begin(self) -> int:
        """The first byte that is not the first connection's to bring."""
        offset = self._receiver.offset
        return offset if self._reads else max(offset, self._first_ends)

    def _left(self) -> int:
        return left(self._begin(), self._taken(), self._receiver.total)

    def _taken(self) -> list[Span]:
        return [piece.span for piece in self._pieces] + [(e.begin, e.end) for e in self._receiver.early]

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    # --- how many

    async def _conduct(self) -> None:
        alone = rate = await self._steady()
        rules, level = self._rules, 1
        while level < rules.connections:
            wider = min(2 * level, rules.connections)
            self._size = self._piece_size(rate / level)
            if not self._widen(level, wider):
                break
            better = await self._reached(rate * rules.gain ** (wider / level - 1))
            if better is None:
                await self._narrow(level)
                if level == 1:
                    self._give_up()
                break
            level, rate = wider, better
            log.info("several_connections", host=self._host, connections=level, bytes_per_second=round(rate))
        while self._level > 1 and not self._traffic.is_shared(self._host) and (self._pieces or self._left()):
            # Near the end fewer have something to do; what hardly moves any more has stalled.
            least = alone if self._left() else alone / 4
            if await self._reached(least) is None:
                self._give_up()

    async def _steady(self) -> float:
        """The first connection's rate, once it is steady and nothing but the network is waited for."""
        rules, before = self._rules, 0.0
        while True:
            waited, busy, since = self._waited, busy_seconds(), self._clock.monotonic()
            rate = await self._rate()
            took = self._clock.monotonic() - since
            idle = self._waited - waited > (1 - rules.busy) * took
            idle = idle and busy_seconds() - busy < rules.busy * took
            steady = idle and abs(rate - before) <= rules.steady * max(rate, before)
            worth = self._left() >= max(rules.least_left, rules.least_seconds * rate)
            if steady and rate and worth and self._streams and not self._traffic.is_shared(self._host):
                return rate
            before = rate if idle else 0.0

    async def _rate(self) -> float:
        before, since = self._came, self._clock.monotonic()
        await self._clock.sleep(self._rules.window)
        return (self._came - before) / (self._clock.monotonic() - since)

    async def _reached(self, least: float) -> float | None:
        """The rate, as soon as it is at ``least``; None where it does not come to that."""
        for _ in range(self._rules.windows):
            rate = await self._rate()
            if rate >= least:
                return rate
        return None

    def _piece_size(self, rate: float) -> int:
        rules = self._rules
        share = max(rules.smallest, self._left() // rules.connections)
        return min(share, max(rules.smallest, min(rules.largest, int(rate * rules.lasts))))

    def _widen(self, level: int, wider: int) -> bool:
        """Start those connections that the host's limit allows; False where it allows none."""
        if not self._traffic.more(self._host) or (level == 1 and not self._streams):
            return False
        if level == 1:
            self._first_ends = min(self.limit, self._receiver.offset + self._size)
        self._level = wider
        for number in range(level, wider):
            self._start(number)
        return True

    async def _narrow(self, level: int) -> None:
        self._level = level
        ending = [task for number, task in self._workers.items() if number >= level]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _give_up(self) -> None:
        """One connection from here on, and with this host for a while."""
        self._traffic.keep_single(self._host, self._rules.forgets)
        self._level = 1
        for task in self._workers.values():
            if task is not asyncio.current_task():
                task.cancel()

    # --- the others

    def _start(self, number: int) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if self._workers.get(number) is task:
                del self._workers[number]
            self._wake()

        task = self._workers[number] = asyncio.create_task(self._work(number), name=f"connection {number}")
        task.add_done_callback(ended)

    async def _work(self, number: int) -> None:
        # That of 0 has the slot of the first connection.
        slot = self._traffic.another(self._host) if number else nullcontext(enter_result=True)
        try:
            async with slot as had:
                while had and (piece := await self._next()) is not None:
                    await self._fill(piece)
                    had = not (number and self._traffic.is_shared(self._host))
        except Exception as error:
            said = error.last_word if isinstance(error, TryAgain) else error
            log.info("back_to_one_connection", host=self._host, why=getattr(said, "code", repr(said)))
            if self._conductor is not None:
                self._conductor.cancel()
            self._give_up()

    async def _next(self) -> _Piece | None:
        """The next piece; waits while the reader is too far behind."""
        while True:
            moved, receiver = self._moved, self._receiver
            size = min(self._size, max(self._rules.smallest, self._left() // self._level))
            gap = next_gap(self._begin(), self._taken(), receiver.total, most=size)
            if gap is None:
                return None
            if gap[1] - receiver.offset <= (self._level + 2) * self._size:
                piece = _Piece(*gap)
                self._pieces.add(piece)
                return piece
            await moved.wait()

    async def _fill(self, piece: _Piece) -> None:
        early: Early | None = None
        held, filled = memoryview(bytearray(_BLOCK)), 0
        try:
            async with aclosing(self._ask(piece.begin, piece.end)) as blocks:
                async for came in blocks:
                    self._came += len(came)
                    block = memoryview(came)
                    while block:
                        taken = min(len(block), _BLOCK - filled)
                        held[filled : filled + taken] = block[:taken]
                        filled, block = filled + taken, block[taken:]
                        if filled == _BLOCK or (early.end if early else piece.begin) + filled == piece.end:
                            early = early or await self._receiver.begin_early(piece.begin, len(piece))
                            await early.write(held[:filled])
                            filled = 0
                            self._wake()
        finally:
            self._pieces.discard(piece)
