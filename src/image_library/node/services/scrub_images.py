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
from image_library.node.ports.clock import Clock
from image_library.node.ports.scrubbing import RawBlob, ScrubbedStore

log = structlog.get_logger()

MIB = 1 << 20
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
    ) -> None:
        """``rate`` in bytes per second; ``changed`` is called when the control plane should hear of it."""
        self._store = store
        self._clock = clock
        self._rate = rate
        self._interval = interval
        self._changed = changed
        # Blobs were found whole, and the control plane does not know it yet.
        self._untold = False

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
        turns = await self._store.turns()
        due = (turns[0].looked_at + self._interval - self._clock.now()).total_seconds() if turns else 0.0
        if not turns or due > 0:
            if self._untold:
                self._untold = False
                self._changed()
            return min(due, LOOK_SECONDS) if turns else LOOK_SECONDS
        digest = turns[0].digest
        try:
            async with aclosing(self.verify(digest, rate=self._rate)) as readings:
                async for _ in readings:
                    self._untold = True
        except LibraryError as error:
            # The others come first now.
            log.warning("blob_not_read", digest=digest, code=error.code, message=str(error))
            await self._store.missed(digest)
        return 0.0

    async def verify(self, digest: str, *, rate: int = 0) -> AsyncGenerator[Reading]:
        """Read the blob "sha256:HEX", ``rate`` bytes a second (0: as fast as it goes), and judge it.

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
            if verdict is Verdict.DAMAGED or not rate:
                self._changed()
            yield Reading(done=blob.size, total=blob.size, verdict=verdict)
        finally:
            await blob.close()

    async def _judge(self, digest: str, blob: RawBlob, actual: str) -> Verdict:
        if actual == digest:
            return Verdict.WHOLE if await self._store.passed(digest, blob) else Verdict.CHANGED
        log.error("blob_damaged", digest=digest, actual=actual)
        await self._store.condemn(digest, blob, actual)
        return Verdict.DAMAGED

    async def _read(self, blob: RawBlob, hasher: Hasher, rate: int) -> AsyncGenerator[int]:
        """How many bytes have been hashed, after each block."""
        began, offset = self._clock.monotonic(), 0
        while block := await blob.read(offset):
            await asyncio.to_thread(hasher.update, block)
            offset += len(block)
            yield offset
            ahead = began + offset / rate - self._clock.monotonic() if rate else 0.0
            if ahead > 0:
                await self._clock.sleep(ahead)
