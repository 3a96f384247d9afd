"""Scrubbing: every published blob is read again from time to time, slowly, and compared with its name."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

import structlog

from image_library.domain.errors import LibraryError
from image_library.domain.store_health import ScrubState
from image_library.node.ports.clock import Clock
from image_library.node.ports.scrubbing import BlobTurn, RawBlob, ScrubbedStore
from image_library.node.services.scrub_manners import Manners, ScrubProgress

log = structlog.get_logger()

MANNERS = Manners()
# Bytes per second; 0: as fast as it goes.
Rate = Callable[[], int]
# Seconds of reading that a pause may be shorter by.
MOST_BEHIND = 1.0
# How often it is seen whether one is due, at most and after a fault.
LOOK_SECONDS = 600.0


class Hasher(Protocol):
    def update(self, data: bytes, /) -> object: ...


class Verdict(Enum):
    """Each value is also its word on the wire."""

    READING = ""
    WHOLE = "whole"
    # Its bytes are right, but the file is not the one that was published: somebody touched or replaced it.
    CHANGED = "changed"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far a blob was read, in bytes, and at the end what was found."""

    done: int
    total: int
    verdict: Verdict = Verdict.READING


class ImageScrub:
    """A blob is read as a whole: a process that ends in between begins with the same one again."""

    def __init__(
        self,
        *,
        store: ScrubbedStore,
        clock: Clock,
        rate: int,
        interval: timedelta,
        changed: Callable[[], None],
        others_move: Callable[[], bool],
        manners: Manners = MANNERS,
    ) -> None:
        """``rate`` in bytes per second; ``changed`` is called when the control plane should hear of it.

        ``others_move``: whether the node moves bytes for somebody now.
        """
        self._store = store
        self._clock = clock
        self._rate = rate
        self._interval = interval
        self._changed = changed
        self._others_move = others_move
        self._manners = manners
        self._progress = ScrubProgress(rate=rate)
        # Blobs were found whole, and the control plane does not know it yet.
        self._untold = False

    def state(self) -> ScrubState:
        """What is read and due as of the last look."""
        return self._progress.state(self._clock.now(), self._interval)

    async def run(self) -> None:
        """Never ends by itself."""
        while True:
            try:
                pause = await self.step()
            except LibraryError as error:
                log.warning("scrub_failed", code=error.code, message=str(error))
                pause = LOOK_SECONDS
            if pause:
                await self._clock.sleep(pause)

    async def step(self) -> float:
        """Read the blob whose turn it is; or the seconds to wait until it is somebody's turn.

        Raises:
            StorageIo, StoreNotWritable, StorageFull
        """
        await self._store.tidy()
        turns = self._progress.turns = await self._store.turns()
        self._progress.last_damage = await self._store.last_damage()
        due = (turns[0].looked_at + self._interval - self._clock.now()).total_seconds() if turns else 0.0
        if not turns or due > 0:
            if self._untold:
                self._untold = False
                self._changed()
            return min(due, LOOK_SECONDS) if turns else LOOK_SECONDS
        await self._take_turn(turns[0])
        return 0.0

    async def _take_turn(self, turn: BlobTurn) -> None:
        self._progress.reading = turn
        try:
            async with aclosing(self.verify(turn.digest, rate=lambda: self._rate_for(turn))) as readings:
                async for reading in readings:
                    self._untold, self._progress.done = True, reading.done
        except LibraryError as error:
            # The others come first now.
            log.warning("blob_not_read", digest=turn.digest, code=error.code, message=str(error))
            await self._store.missed(turn.digest)
        finally:
            self._progress.reading, self._progress.done = None, 0

    def _rate_for(self, turn: BlobTurn) -> int:
        """Bytes per second now."""
        late = self._clock.now() - turn.looked_at - self._interval
        rate = self._manners.rate(self._rate, others_move=self._others_move(), late=late)
        self._progress.rate, self._progress.gives_way = rate, rate < self._rate
        return rate

    async def verify(self, digest: str, *, rate: Rate | None = None) -> AsyncGenerator[Reading]:
        """Read the blob "sha256:HEX", ``rate`` bytes a second (none: as fast as it goes), and judge it.

        Wrong bytes are read once more before they are believed to be wrong.

        Raises:
            ImageNotReady: it is no image of this node.
            ImageFileMissing: its file is gone.
            StorageIo, StoreNotWritable, StorageFull
        """
        blob, actual = await self._store.open(digest), ""
        try:
            for _ in range(2):
                hasher = hashlib.sha256()
                async with aclosing(self._read(blob, hasher, rate)) as offsets:
                    async for done in offsets:
                        yield Reading(done=done, total=blob.size)
                actual = f"sha256:{hasher.hexdigest()}"
                if actual == digest:
                    break
            verdict = await self._judge(digest, blob, actual)
            if verdict is Verdict.DAMAGED or rate is None:
                self._changed()
            yield Reading(done=blob.size, total=blob.size, verdict=verdict)
        finally:
            await blob.close()

    async def _judge(self, digest: str, blob: RawBlob, actual: str) -> Verdict:
        if actual == digest:
            return Verdict.WHOLE if await self._store.passed(digest, blob) else Verdict.CHANGED
        log.error("blob_damaged", digest=digest, actual=actual)
        await self._store.condemn(digest, blob, actual)
        # Whoever looks at the node now sees it, whoever it was that had it read.
        self._progress.last_damage = await self._store.last_damage()
        return Verdict.DAMAGED

    async def _read(self, blob: RawBlob, hasher: Hasher, rate: Rate | None) -> AsyncGenerator[int]:
        """How many bytes have been hashed, after each block."""
        offset, next_at = 0, self._clock.monotonic()
        while block := await blob.read(offset):
            await asyncio.to_thread(hasher.update, block)
            offset += len(block)
            yield offset
            if rate is not None and (bytes_per_second := rate()):
                # The rate may change with each block; what a slow disk lost is not made up for.
                next_at = max(next_at, self._clock.monotonic() - MOST_BEHIND) + len(block) / bytes_per_second
            ahead = next_at - self._clock.monotonic()
            if ahead > 0:
                await self._clock.sleep(ahead)
