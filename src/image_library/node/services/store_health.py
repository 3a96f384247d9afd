"""Whether the store may be written: after a failed write or sync not before an operator says so.

A file system that became read-only is tried now and then, and is written again when it can be.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from image_library.domain.changes import Changes
from image_library.domain.errors import LibraryError
from image_library.domain.store_health import Degradation, Trouble
from image_library.node.ports.clock import Clock
from image_library.node.ports.health import HealthRecords, StoreProbe

log = structlog.get_logger()

# The key in Changes that tells of the store's health.
STORE = "store"
# How often it is seen whether the file system is read-only, and whether it still is.
LOOK_SECONDS = 5.0
READ_ONLY = "The file system is read-only."


class StoreHealth:
    """Fulfils ``ports.health.WriteGate``. Used from the event loop it is made in, but for ``failed``."""

    def __init__(
        self, *, records: HealthRecords, probe: StoreProbe, clock: Clock, changes: Changes, name: str
    ) -> None:
        """``name``: the node's, for messages."""
        self._records = records
        self._probe = probe
        self._clock = clock
        self._changes = changes
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._degraded: Degradation | None = None
        # How often something failed since the start.
        self._failures = 0
        # The journal does not know it yet.
        self._unsaved = False
        self._saving: set[asyncio.Task[None]] = set()

    @property
    def degraded(self) -> Degradation | None:
        return self._degraded

    async def recover(self) -> None:
        """Remember what an earlier process found."""
        known = await self._records.load()
        if known is not None:
            log.warning("store_degraded", trouble=known.trouble.value, reason=known.reason)
        self._degraded = known

    def failed(self, trouble: Trouble, reason: str) -> None:
        """A write or a sync has failed. For any thread."""
        if trouble is Trouble.READ_ONLY or self._probe.read_only():
            trouble, reason = Trouble.READ_ONLY, READ_ONLY
        with self._lock:
            self._failures += 1
            known = self._degraded
            if known is not None and trouble in (known.trouble, Trouble.READ_ONLY):
                return
            since = self._clock.now()
            self._degraded = Degradation(trouble=trouble, reason=reason, since=since)
            self._unsaved = trouble is Trouble.FAILING
        log.error("store_degraded", trouble=trouble.value, reason=reason)
        with suppress(RuntimeError):
            # A loop that is closed has nobody to tell.
            self._loop.call_soon_threadsafe(self._turned)

    def check(self) -> None:
        """Raises StoreDegraded: nothing new is begun."""
        if self._degraded is not None:
            raise self._degraded.refusal(self._name)

    async def open(self, waiting: Callable[[str], None]) -> None:
        """Wait until work may begin; ``waiting`` is told for what, and at last "" for nothing."""
        with self._changes.follow(STORE) as turned:
            while (degraded := self._degraded) is not None:
                waiting(degraded.awaited(self._name))
                await turned.wait()
        waiting("")

    async def resume(self) -> None:
        """An operator says that the disk is well: try to write, and let work begin again.

        Raises:
            StorageIo, StoreNotWritable, StorageFull: it cannot be written.
            StoreDegraded: something else failed meanwhile.
        """
        if self._degraded is None:
            return
        failures = self._failures
        await self._probe.write()
        if self._degraded.trouble is Trouble.FAILING:
            await self._records.save(None)
        with self._lock:
            if self._failures == failures:
                self._degraded = None
        if self._degraded is not None:
            await self._save()
        self.check()
        log.info("store_resumed")
        self._changes.notify(STORE)

    async def run(self) -> None:
        """Never ends by itself."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """See whether the file system became read-only, or is so no more."""
        known = self._degraded
        read_only = await asyncio.to_thread(self._probe.read_only)
        if known is None and read_only:
            self.failed(Trouble.READ_ONLY, READ_ONLY)
        if known is not None and known.trouble is Trouble.READ_ONLY and not read_only:
            with suppress(LibraryError):
                await self.resume()
        if self._unsaved:
            await self._save()

    async def close(self) -> None:
        if self._saving:
            await asyncio.wait(self._saving)
        if self._unsaved:
            await self._save()

    def _turned(self) -> None:
        self._changes.notify(STORE)
        task = asyncio.ensure_future(self._save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _save(self) -> None:
        """Remember a disk that failed; a journal on the same disk may fail too, and is told later.

        Whoever starts anew sees for himself whether a file system is read-only.
        """
        if self._degraded is None or self._degraded.trouble is Trouble.READ_ONLY:
            return
        try:
            await self._records.save(self._degraded)
            self._unsaved = False
        except LibraryError as error:
            log.warning("degradation_not_recorded", code=error.code)
