"""A node put together, and taken apart again. Only this file and ``world`` know all of its parts."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from image_library import __version__
from image_library.domain.capabilities import doors
from image_library.domain.changes import Changes
from image_library.domain.node import Registration
from image_library.domain.store_health import ScrubState
from image_library.node.adapters.control_plane import ConnectControlPlane
from image_library.node.adapters.download_records import DownloadRecords
from image_library.node.adapters.grpc_server import Tls, serving
from image_library.node.adapters.guest_cleaner import E2fsCleaner
from image_library.node.adapters.inventory_numbers import InventoryNumbers
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.unpacking import JailedUnpacker
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.background import in_background
from image_library.node.fetchers import authority_of, open_fetchers
from image_library.node.guests import serve_guests
from image_library.node.handlers.auth import CallGuard
from image_library.node.handlers.node_daemon import NodeDaemon
from image_library.node.services.adopt_file import AdoptFile
from image_library.node.services.ask_publisher import AskPublisher
from image_library.node.services.capture_vm import CaptureVm
from image_library.node.services.collect_garbage import GarbageCollection
from image_library.node.services.download_image import Downloads
from image_library.node.services.finish_image import Finishing
from image_library.node.services.make_image import ImageMaking
from image_library.node.services.presence import INVENTORY, Presence
from image_library.node.services.read_image import ImageReading
from image_library.node.services.receive_upload import Uploads
from image_library.node.services.remove_image import ImageRemoval
from image_library.node.services.scan_images import ImageScan
from image_library.node.services.scrub_images import ImageScrub
from image_library.node.services.scrub_manners import MIB
from image_library.node.services.vms import Vms
from image_library.node.settings import Settings
from image_library.node.vm_parts import VmParts, open_vm_parts
from image_library.node.world import World, open_world

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class NodeHandle:
    """A node that serves."""

    node_id: str
    # HOST:PORT of its gRPC service.
    endpoint: str
    # Set once the control plane knows it.
    established: asyncio.Event


@dataclass(frozen=True, kw_only=True)
class Parts:
    machines: VmParts
    capture: CaptureVm
    downloads: Downloads
    publishers: AskPublisher
    scan: ImageScan
    uploads: Uploads
    reading: ImageReading
    scrub: ImageScrub


@asynccontextmanager
async def run_node(
    settings: Settings, *, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[NodeHandle]:
    """Serve in the running loop from when the block is entered until it is left.

    Every start is a recovery: VMs are found again, then jobs go on. ``environment`` names the proxies.

    Raises:
        InvalidSettings, ListenDenied, PortTaken, DataDirBusy, StoreNotWritable, StoreChanged,
        StorageFull, StorageIo, SchemaTooNew: it cannot start like this.
    """
    settings = settings.checked()
    async with AsyncExitStack() as stack:
        world = await open_world(stack, settings)
        parts = await open_parts(stack, world, environment or os.environ)
        vms, scan, scrub = parts.machines.vms, parts.scan, parts.scrub
        registration = await _registration(world, parts.machines)
        daemon = _daemon(world, parts, registration)
        registration = await _serve(stack, settings, daemon, registration)
        scrubs = bool(settings.scrub_rate and settings.scrub_interval)
        presence = _presence(world, registration, scan, vms, lambda: scrub.state() if scrubs else None)
        await stack.enter_async_context(in_background(presence.run(), "presence"))
        await stack.enter_async_context(in_background(_adopt(scan, world.changes), "adoption"))
        await stack.enter_async_context(in_background(world.health.run(), "store health"))
        await stack.enter_async_context(in_background(parts.machines.disks.run(), "snapshots"))
        if scrubs:
            await stack.enter_async_context(in_background(scrub.run(), "scrub"))
        log.info("node_serves", node_id=registration.node_id, endpoint=registration.agent_endpoint)
        yield NodeHandle(
            node_id=registration.node_id,
            endpoint=registration.agent_endpoint,
            established=presence.established,
        )


async def open_parts(stack: AsyncExitStack, world: World, environment: Mapping[str, str]) -> Parts:
    """All that serves, after it has found out what the last run left."""
    machines = await open_vm_parts(stack, world)
    capture = _capture(world, machines)
    downloads, publishers = await _sources(stack, world, capture, environment)
    stack.push_async_callback(machines.vms.close)
    stack.push_async_callback(machines.frozen.close)
    stack.push_async_callback(downloads.close)
    stack.push_async_callback(machines.proofs.close)
    await machines.vms.recover()
    await machines.frozen.recover()
    await downloads.recover()
    await machines.disks.recover()
    await serve_guests(stack, world.settings, machines.keeper)
    uploads = Uploads(store=world.store, gate=world.health)
    stack.push_async_callback(uploads.close)
    reading = ImageReading(store=world.store, holds=world.holds)
    return Parts(
        machines=machines,
        capture=capture,
        downloads=downloads,
        publishers=publishers,
        scan=_scan(world),
        uploads=uploads,
        reading=reading,
        scrub=_scrub(world, lambda: downloads.moving or uploads.moving or reading.moving),
    )


def _daemon(world: World, parts: Parts, registration: Registration) -> NodeDaemon:
    machines = parts.machines
    return NodeDaemon(
        registration=registration,
        downloads=parts.downloads,
        uploads=parts.uploads,
        store=world.store,
        scan=parts.scan,
        removal=_removal(world, machines.vms),
        garbage=_garbage(world, machines, parts.downloads),
        disks=machines.disks,
        tasks=machines.tasks,
        capture=parts.capture,
        reading=parts.reading,
        health=world.health,
        scrub=parts.scrub,
        publishers=parts.publishers,
        vms=machines.vms,
        streams=machines.streams,
        consoles=machines.consoles,
        displays=machines.displays,
        proofs=machines.proofs,
    )


def _garbage(world: World, vm_parts: VmParts, downloads: Downloads) -> GarbageCollection:
    return GarbageCollection(
        sweep=world.store.sweep,
        leftovers=vm_parts.leftovers,
        users=vm_parts.vms,
        holds=world.holds,
        live_parts=downloads.live_parts,
        node_id=world.identity.node_id,
        removed=lambda: world.changes.notify(INVENTORY),
    )


def _removal(world: World, vms: Vms) -> ImageRemoval:
    return ImageRemoval(
        store=world.store,
        users=vms,
        holds=world.holds,
        removed=lambda: world.changes.notify(INVENTORY),
    )


async def _sources(
    stack: AsyncExitStack, world: World, capture: CaptureVm, environment: Mapping[str, str]
) -> tuple[Downloads, AskPublisher]:
    """Those who fetch from publishers: images, and what is said of them."""
    fetchers = open_fetchers(stack, world.settings, clock=world.clock, environment=environment)
    signatures = OpenPgpSignatures(now=world.clock.now)
    publishers = AskPublisher(fetchers.asking, signatures)
    downloads = Downloads(
        library=fetchers.library,
        journal=DownloadRecords(world.journal),
        store=world.store,
        fetcher=fetchers.publishers,
        inspector=world.inspector,
        signatures=signatures,
        clock=world.clock,
        changes=world.changes,
        finishing=Finishing(
            store=world.store,
            making=_making(world),
            capturing=capture,
            holds=world.holds,
            clock=world.clock,
            node_id=world.identity.node_id,
        ),
        gate=world.health,
        adoption=AdoptFile(
            store=world.store,
            folder=world.folder,
            inspector=world.inspector,
            converter=_converter(world),
            clock=world.clock,
            node_id=world.identity.node_id,
        ),
        node_id=world.identity.node_id,
        published=lambda: world.changes.notify(INVENTORY),
    )
    return downloads, publishers


def _converter(world: World) -> QemuImgImages:
    return QemuImgImages(world.jail, max_virtual_size=world.settings.max_virtual_size)


def _making(world: World) -> ImageMaking:
    return ImageMaking(
        store=world.store,
        inspector=world.inspector,
        unpacker=JailedUnpacker(world.jail),
        converter=_converter(world),
        max_virtual_size=world.settings.max_virtual_size,
    )


def _capture(world: World, vm_parts: VmParts) -> CaptureVm:
    return CaptureVm(
        records=vm_parts.records,
        lives=vm_parts.lives,
        frozen=vm_parts.frozen,
        folders=vm_parts.folders,
        disks=JailedVmDisks(world.jail),
        cleaner=E2fsCleaner(world.jail),
        store=world.store,
        making=_making(world),
        holds=world.holds,
    )


def _scrub(world: World, others_move: Callable[[], bool]) -> ImageScrub:
    return ImageScrub(
        store=world.store.scrub,
        clock=world.clock,
        rate=world.settings.scrub_rate * MIB,
        interval=timedelta(days=world.settings.scrub_interval),
        changed=lambda: world.changes.notify(INVENTORY),
        others_move=others_move,
    )


def _scan(world: World) -> ImageScan:
    return ImageScan(
        store=world.store,
        scrubbed=world.store.scrub,
        folder=world.folder,
        inspector=world.inspector,
        numbers=InventoryNumbers(world.journal),
        gate=world.health,
        clock=world.clock,
        node_id=world.identity.node_id,
    )


async def _registration(world: World, machines: VmParts) -> Registration:
    """All but where the node is reached, which is known once it serves."""
    return Registration(
        node_id=world.identity.node_id,
        hostname=world.settings.hostname or socket.gethostname(),
        labels=world.settings.labels,
        agent_endpoint=world.settings.advertise,
        architecture=platform.machine(),
        accelerator=await machines.hypervisor.accelerator(),
        capabilities=(*await machines.hypervisor.capabilities(), *doors(machines.doorways)),
        version=__version__,
        store_id=world.identity.store_id,
        replaces_store_ids=world.identity.replaced,
    )


async def _serve(
    stack: AsyncExitStack, settings: Settings, daemon: NodeDaemon, registration: Registration
) -> Registration:
    """Begin to answer calls; what is now known of where."""
    tls = (
        Tls(cert=settings.tls_cert, key=settings.tls_key) if settings.tls_cert and settings.tls_key else None
    )
    port = await stack.enter_async_context(
        serving(
            settings.listen,
            add_services=daemon.add_to_server,
            interceptors=[CallGuard(settings.join_token)],
            tls=tls,
        )
    )
    endpoint = settings.advertise or f"{settings.listen.rpartition(':')[0]}:{port}"
    return replace(
        registration, agent_endpoint=endpoint, management_ip=endpoint.rpartition(":")[0].strip("[]")
    )


def _presence(
    world: World,
    registration: Registration,
    scan: ImageScan,
    vms: Vms,
    scrub: Callable[[], ScrubState | None],
) -> Presence:
    control_plane = ConnectControlPlane(
        world.settings.control_plane_url,
        join_token=world.settings.join_token,
        ca_certificate=authority_of(world.settings),
    )
    return Presence(
        registration=registration,
        control_plane=control_plane,
        scan=scan,
        store=world.store,
        vms=vms,
        changes=world.changes,
        clock=world.clock,
        degraded=lambda: world.health.degraded,
        scrub=scrub,
    )


async def _adopt(scan: ImageScan, changes: Changes) -> None:
    if await scan.adopt_orphans():
        changes.notify(INVENTORY)
