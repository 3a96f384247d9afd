"""A node's download service with all its real parts, on a temporary directory and without a control plane."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from image_library.domain.addresses import AllowedSources, DeniedSources
from image_library.domain.changes import Changes
from image_library.domain.image import ImageFormat
from image_library.domain.qcow2 import MAX_VIRTUAL_SIZE
from image_library.domain.store import Download, DownloadOrder
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.download_records import DownloadRecords
from image_library.node.adapters.fetcher.access import SourceAccess
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.adapters.fetcher.several import SeveralRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.adapters.inspector import HeaderInspector
from image_library.node.adapters.inventory_numbers import InventoryNumbers
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.local_folder import LocalImageFolder
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.store.blob_store import BlobStore
from image_library.node.adapters.store.disk import Disk
from image_library.node.adapters.store.health_records import StoreHealthRecords
from image_library.node.adapters.store.identity import DirectoryLock, StoreIdentity, prepare
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.watched_disk import DiskProbe, WatchedDisk
from image_library.node.adapters.unpacking import JailedUnpacker
from image_library.node.ports.conversion import Converter
from image_library.node.services.adopt_file import AdoptFile
from image_library.node.services.download_image import Downloads
from image_library.node.services.finish_image import Finishing
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.make_image import ImageMaking
from image_library.node.services.scan_images import ImageScan
from image_library.node.services.store_health import StoreHealth
from tests.fakes.no_vms import NoVms
from tests.support.mirror import Mirror

PUBLISHER = "https://cloud.example.org/images"
QUICK = RetryRules(attempts=4, first_wait=0.01, longest_wait=0.05, patience=5.0)


@dataclass(frozen=True, kw_only=True)
class Workbench:
    layout: Layout
    journal: JournalDatabase
    store: BlobStore
    fetcher: HttpFetcher
    inspector: HeaderInspector
    downloads: Downloads
    folder: LocalImageFolder
    adoption: AdoptFile
    scan: ImageScan
    node_id: str
    health: StoreHealth
    # Stores that were given up.
    replaced: tuple[str, ...]

    async def finish(self, order: DownloadOrder) -> Download:
        """Start it and wait for its end."""
        await self.downloads.start(order)
        return await self.ended(order.job_id)

    async def ended(self, job_id: str) -> Download:
        return [download async for download in self.downloads.follow(job_id)][-1]

    async def until(self, job_id: str, happened: Callable[[Download], bool]) -> Download:
        """Wait until the job's record says so."""
        async for download in self.downloads.follow(job_id):
            if happened(download):
                return download
        raise AssertionError(f"{job_id} ended before")


@asynccontextmanager
async def workbench(
    data_dir: Path,
    *,
    mirror: str = "",
    carriers: tuple[str, ...] = (),
    denied: tuple[str, ...] = (),
    access: SourceAccess | None = None,
    traffic: Traffic | None = None,
    several: SeveralRules | None = None,
    allowed: str = "127.0.0.0/8",
    rules: RetryRules = QUICK,
    disk: Disk | None = None,
    ahead: timedelta = timedelta(),
    accept_store: bool = False,
    converter: Converter | None = None,
    max_virtual_size: int = MAX_VIRTUAL_SIZE,
    open_journal: Callable[[Path], Awaitable[JournalDatabase]] = JournalDatabase.open,
) -> AsyncGenerator[Workbench]:
    layout = Layout(data_dir)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        watched = WatchedDisk(disk or Disk())
        prepare(layout, disk)
        stack.callback(DirectoryLock(layout).release)
        journal = await open_journal(layout.journal)
        stack.push_async_callback(journal.close)
        identity = await StoreIdentity.establish(layout, journal, accept=accept_store, disk=disk)
        store = BlobStore(
            layout=layout, journal=journal, identity=identity, now=lambda: clock.now() + ahead, disk=watched
        )
        changes = Changes()
        health = StoreHealth(
            records=StoreHealthRecords(journal, store_id=identity.store_id),
            probe=DiskProbe(layout, watched),
            clock=clock,
            changes=changes,
            name="bench",
        )
        stack.push_async_callback(health.close)
        watched.tell(health.failed)
        journal.tell(health.failed)
        await health.recover()
        policy = SourcePolicy(
            mirrors=Mirrors(standing_in=[mirror] if mirror else [], carrying=carriers),
            allowed=AllowedSources.parse(allowed),
            denied=DeniedSources.parse(denied),
        )
        session = open_session(judged_connector(policy))
        stack.push_async_callback(session.close)
        fetcher = HttpFetcher(
            session=session,
            policy=policy,
            clock=clock,
            rules=rules,
            access=access,
            traffic=traffic,
            several=several,
        )
        inspector = HeaderInspector()
        shared: dict[str, Any] = {"store": store, "inspector": inspector, "clock": clock}
        shared["node_id"] = identity.node_id
        folder = LocalImageFolder(
            layout=layout, journal=journal, inspector=inspector, identity=identity, disk=watched
        )
        jail = Jail(best_wall())
        converter = converter or QemuImgImages(jail)
        adoption = AdoptFile(folder=folder, converter=converter, **shared)
        making = ImageMaking(
            store=store,
            inspector=inspector,
            unpacker=JailedUnpacker(jail),
            converter=converter,
            max_virtual_size=max_virtual_size,
        )
        downloads = Downloads(
            journal=DownloadRecords(journal),
            fetcher=fetcher,
            library=fetcher,
            changes=changes,
            gate=health,
            signatures=OpenPgpSignatures(),
            adoption=adoption,
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
        yield Workbench(
            layout=layout,
            journal=journal,
            store=store,
            fetcher=fetcher,
            inspector=inspector,
            downloads=downloads,
            folder=folder,
            adoption=adoption,
            scan=ImageScan(
                scrubbed=store.scrub, folder=folder, numbers=InventoryNumbers(journal), gate=health, **shared
            ),
            node_id=identity.node_id,
            health=health,
            replaced=identity.replaced,
        )


def publish(mirror: Mirror, image: bytes, *, filename: str = "disk.qcow2", algorithm: str = "sha512") -> None:
    """Put an image and its checksum file on the mirror, as the publisher's."""
    mirror.put(f"{PUBLISHER}/{filename}", image)
    row = f"{hashlib.new(algorithm, image).hexdigest()}  {filename}\n"
    mirror.put(f"{PUBLISHER}/SUMS", row.encode())


def order(filename: str = "disk.qcow2", **changes: Any) -> DownloadOrder:
    """An order for the published image, by its checksum file."""
    values: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "image_id": str(uuid.uuid4()),
        "url": f"{PUBLISHER}/{filename}",
        "filename": filename,
        "format": ImageFormat.QCOW2,
        "checksum_algorithm": "sha512",
        "checksum_url": f"{PUBLISHER}/SUMS",
    }
    return DownloadOrder(**{**values, **changes})


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def mode(path: str) -> int:
    """A file's permissions."""
    return Path(path).lstat().st_mode & 0o777
