"""A node's store, jobs, uploads, adoption and sweep on one directory; the publisher is a value in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from image_library.domain.changes import Changes
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.qcow2 import MAX_VIRTUAL_SIZE
from image_library.domain.store import Download, DownloadOrder
from image_library.node.adapters.download_records import DownloadRecords
from image_library.node.adapters.inspector import HeaderInspector
from image_library.node.adapters.inventory_numbers import InventoryNumbers
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.local_folder import LocalImageFolder
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.store.blob_store import BlobStore
from image_library.node.adapters.store.health_records import StoreHealthRecords
from image_library.node.adapters.store.identity import DirectoryLock, StoreIdentity, prepare
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.watched_disk import DiskProbe
from image_library.node.adapters.unpacking import JailedUnpacker
from image_library.node.ports.fetching import Receiver, Source
from image_library.node.services.adopt_file import AdoptFile
from image_library.node.services.download_image import Downloads
from image_library.node.services.finish_image import Finishing
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.make_image import ImageMaking
from image_library.node.services.receive_upload import Piece, Uploads
from image_library.node.services.scan_images import ImageScan
from image_library.node.services.scrub_images import ImageScrub
from image_library.node.services.store_health import StoreHealth
from tests.crash.material import EARLY_URL, IMAGE, IMAGE_URL, PUBLISHED, SHA256
from tests.crash.seams import Hook, HookedDisk, HookedJournal
from tests.fakes.no_vms import NoVms

_BLOCK = 64 << 10


class MemoryPublisher:
    """Fulfils ``Fetcher`` for what is published, slowly where there is a ``pause``."""

    def __init__(self, pause: float = 0.0) -> None:
        self._pause = pause

    async def fetch(self, source: Source, receiver: Receiver, waiting: object) -> None:
        data = PUBLISHED[source.url]
        await receiver.expect(len(data), '"1"')
        if source.url == EARLY_URL:
            await self._early(receiver)
        while receiver.offset < len(data):
            at = receiver.offset
            await receiver.write(data[at : at + _BLOCK])
            await asyncio.sleep(self._pause)

    async def _early(self, receiver: Receiver) -> None:
        """All but the first and the last blocks come before their turn, in three stretches."""
        while not receiver.offset:
            await receiver.write(IMAGE[:_BLOCK])
        for begin in (9 * _BLOCK, 5 * _BLOCK, _BLOCK):
            end = min(begin + 4 * _BLOCK, len(IMAGE))
            if any(early.begin == begin for early in receiver.early) or receiver.offset >= end:
                continue
            early = await receiver.begin_early(begin, end - begin)
            while early.end < end:
                await early.write(IMAGE[early.end : min(early.end + _BLOCK, end)])
        for early in sorted(receiver.early, key=lambda early: early.begin):
            await self._fill(receiver, early.begin)
            while receiver.offset < early.end:
                await receiver.write(await early.read(receiver.offset))
            await receiver.forget_early(early)

    async def _fill(self, receiver: Receiver, end: int) -> None:
        while receiver.offset < end:
            at = receiver.offset
            await receiver.write(IMAGE[at : min(at + _BLOCK, end)])

    async def announced_size(self, source: Source) -> int:
        return len(PUBLISHED[source.url])

    async def read_small(self, source: Source, *, limit: int, waiting: object) -> bytes:
        raise AssertionError(f"{source.url} is not needed: the digest is pinned")


class QuickClock:
    """Time for records; whoever would wait a moment only lets others go on."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 200)


@dataclass(frozen=True, kw_only=True)
class Bench:
    layout: Layout
    journal: HookedJournal
    store: BlobStore
    downloads: Downloads
    uploads: Uploads
    scan: ImageScan
    scrub: ImageScrub

    async def finish(self, order: DownloadOrder) -> Download:
        await self.downloads.start(order)
        return [download async for download in self.downloads.follow(order.job_id)][-1]


@asynccontextmanager
async def open_bench(
    data: Path, hook: Hook | None = None, *, disk: HookedDisk | None = None, pause: float = 0.0
) -> AsyncGenerator[Bench]:
    """Start as the node does: everything that recovers, recovers; jobs that had not ended go on."""
    hook = hook or Hook()
    disk = disk or HookedDisk(hook)
    layout, clock, inspector = Layout(data), QuickClock(), HeaderInspector()
    async with AsyncExitStack() as stack:
        prepare(layout, disk)
        stack.callback(DirectoryLock(layout).release)
        journal = await HookedJournal.opened(layout.journal, hook)
        stack.push_async_callback(journal.close)
        identity = await StoreIdentity.establish(layout, journal, disk=disk)
        store = BlobStore(layout=layout, journal=journal, identity=identity, now=clock.now, disk=disk)
        folder = LocalImageFolder(
            layout=layout, journal=journal, inspector=inspector, identity=identity, disk=disk
        )
        shared: dict[str, Any] = {
            "store": store,
            "inspector": inspector,
            "clock": clock,
            "node_id": identity.node_id,
        }
        # Told of nothing: what a failure leaves is looked at, not what waits because of it.
        health = StoreHealth(
            records=StoreHealthRecords(journal, store_id=identity.store_id),
            probe=DiskProbe(layout, disk),
            clock=clock,
            changes=Changes(),
            name="bench",
        )
        jail = Jail(best_wall())
        making = ImageMaking(
            store=store,
            inspector=inspector,
            unpacker=JailedUnpacker(jail),
            converter=QemuImgImages(jail),
            max_virtual_size=MAX_VIRTUAL_SIZE,
        )
        downloads = Downloads(
            journal=DownloadRecords(journal),
            fetcher=MemoryPublisher(pause),
            library=MemoryPublisher(pause),
            changes=Changes(),
            signatures=OpenPgpSignatures(),
            adoption=AdoptFile(folder=folder, converter=QemuImgImages(jail), **shared),
            gate=health,
            finishing=Finishing(
                store=store,
                making=making,
                capturing=NoVms(),
                holds=ImageHolds(),
                clock=clock,
                node_id=identity.node_id,
            ),
            **shared,
        )
        stack.push_async_callback(downloads.close)
        await downloads.recover()
        uploads = Uploads(store=store, gate=health)
        stack.push_async_callback(uploads.close)
        scan = ImageScan(
            scrubbed=store.scrub, folder=folder, numbers=InventoryNumbers(journal), gate=health, **shared
        )
        scrub = ImageScrub(
            store=store.scrub,
            clock=clock,
            rate=0,
            interval=timedelta(0),
            changed=lambda: None,
            others_move=lambda: False,
        )
        yield Bench(
            layout=layout,
            journal=journal,
            store=store,
            downloads=downloads,
            uploads=uploads,
            scan=scan,
            scrub=scrub,
        )


def order(job_id: str, **changes: Any) -> DownloadOrder:
    values: dict[str, Any] = {
        "job_id": job_id,
        "image_id": "image",
        "url": IMAGE_URL,
        "filename": "disk.img",
        "format": ImageFormat.RAW,
        "checksum_algorithm": "sha256",
        "digest": SHA256,
    }
    return DownloadOrder(**{**values, **changes})


async def ready(bench: Bench, wanted: DownloadOrder) -> None:
    done = await bench.finish(wanted)
    assert done.state is JobState.READY, (done.state, done.failure)


async def pieces(offset: int) -> AsyncIterator[Piece]:
    for at in range(offset, len(IMAGE), _BLOCK):
        yield Piece(offset=at, data=IMAGE[at : at + _BLOCK])
