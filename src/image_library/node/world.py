"""What all services of a node share: its directories, journal and store, and whether that may be written."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

from image_library.domain.changes import Changes
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.guest_inspector import JailedGuestInspector
from image_library.node.adapters.inspector import HeaderInspector
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.local_folder import LocalImageFolder
from image_library.node.adapters.store.blob_store import BlobStore
from image_library.node.adapters.store.disk import Disk
from image_library.node.adapters.store.health_records import StoreHealthRecords
from image_library.node.adapters.store.identity import DirectoryLock, StoreIdentity, prepare
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.watched_disk import DiskProbe, WatchedDisk
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.store_health import StoreHealth
from image_library.node.settings import Settings


@dataclass(frozen=True, kw_only=True)
class World:
    settings: Settings
    layout: Layout
    journal: JournalDatabase
    identity: StoreIdentity
    store: BlobStore
    inspector: HeaderInspector
    folder: LocalImageFolder
    changes: Changes
    clock: SystemClock
    holds: ImageHolds
    jail: Jail
    health: StoreHealth


async def open_world(stack: AsyncExitStack, settings: Settings) -> World:
    """Take the data directory, recover what is known of the store, and open it.

    Raises:
        DataDirBusy, StoreNotWritable, StoreChanged, StorageFull, StorageIo, SchemaTooNew
    """
    layout = Layout(settings.data_dir.absolute())
    prepare(layout)
    lock = DirectoryLock(layout)
    stack.callback(lock.release)
    journal = await JournalDatabase.open(layout.journal)
    stack.push_async_callback(journal.close)
    identity = await StoreIdentity.establish(layout, journal, accept=settings.accept_store)
    clock, changes, disk = SystemClock(), Changes(), WatchedDisk(Disk())
    health = StoreHealth(
        records=StoreHealthRecords(journal, store_id=identity.store_id),
        probe=DiskProbe(layout, disk),
        clock=clock,
        changes=changes,
        name=settings.hostname or socket.gethostname(),
    )
    stack.push_async_callback(health.close)
    disk.tell(health.failed)
    journal.tell(health.failed)
    await health.recover()
    jail = Jail(best_wall() or (Wall.NONE if settings.allow_unjailed else None))
    inspector = HeaderInspector(guests=JailedGuestInspector(jail), max_virtual_size=settings.max_virtual_size)
    return World(
        settings=settings,
        layout=layout,
        journal=journal,
        identity=identity,
        store=BlobStore(layout=layout, journal=journal, identity=identity, now=clock.now, disk=disk),
        inspector=inspector,
        folder=LocalImageFolder(
            layout=layout, journal=journal, inspector=inspector, identity=identity, disk=disk
        ),
        changes=changes,
        clock=clock,
        holds=ImageHolds(),
        jail=jail,
        health=health,
    )
