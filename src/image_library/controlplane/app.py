"""The control plane put together, and taken apart again. With ``parts``, all that knows who needs whom."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from starlette.routing import BaseRoute

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.catalog_files import CatalogFile, CatalogFiles
from image_library.controlplane.adapters.data_dir import held_data_dir, kept_token
from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.ed25519 import verify
from image_library.controlplane.adapters.listening import listening_socket, url_of
from image_library.controlplane.adapters.node_channels import NodeChannels
from image_library.controlplane.adapters.node_gateway_consoles import GrpcNodeConsoles
from image_library.controlplane.adapters.node_gateway_images import GrpcNodeImages
from image_library.controlplane.adapters.node_gateway_publishers import GrpcPublishers, GrpcSmallFiles
from image_library.controlplane.adapters.system_clock import SystemClock, new_id
from image_library.controlplane.handlers.auth import Auth, Tokens
from image_library.controlplane.handlers.console_sockets import ConsoleSockets
from image_library.controlplane.handlers.http_access import HttpAccess
from image_library.controlplane.handlers.image_files import ImageFiles
from image_library.controlplane.handlers.image_service import ImageHandlers
from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.handlers.interceptors import Errors, Undivided
from image_library.controlplane.handlers.node_service import NodeHandlers
from image_library.controlplane.handlers.once import Once
from image_library.controlplane.handlers.pool_service import PoolHandlers
from image_library.controlplane.handlers.profile_service import ProfileHandlers
from image_library.controlplane.handlers.server import serving
from image_library.controlplane.handlers.session_cookie import SessionCookie
from image_library.controlplane.handlers.sign_in import SignIn, link_path
from image_library.controlplane.handlers.uploads import UploadHandlers
from image_library.controlplane.handlers.vm_service import VmHandlers
from image_library.controlplane.handlers.web import RpcApplication, answered_hosts, web_application
from image_library.controlplane.handlers.web_files import WebFiles
from image_library.controlplane.parts import ImageParts, World, image_parts, profile_service, vm_services
from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.services.beside import run_beside
from image_library.controlplane.services.boot_proofs import BootProofs
from image_library.controlplane.services.catalog_updates import CatalogRules, CatalogUpdates, Parts
from image_library.controlplane.services.consoles import Consoles
from image_library.controlplane.services.download_plan import Planner
from image_library.controlplane.services.image_bytes import ImageBytes
from image_library.controlplane.services.publisher_desk import PublisherDesk
from image_library.controlplane.services.refresh_moves import RefreshMoves
from image_library.controlplane.services.refresh_schedule import RefreshSchedule
from image_library.controlplane.services.refresh_spread import Spreading
from image_library.controlplane.services.refresh_targets import RefreshTargets
from image_library.controlplane.services.refresh_versions import Pruning
from image_library.controlplane.services.refreshes import Refreshes
from image_library.controlplane.services.repeated_calls import RepeatedCalls
from image_library.controlplane.services.sessions import Sessions
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.settings import Settings
from image_library.domain.changes import Changes
from image_library.wire.paging import PageTokens
from limiquantix.compute.v1.node_connect import NodeServiceASGIApplication
from limiquantix.compute.v1.profile_connect import ProfileServiceASGIApplication
from limiquantix.compute.v1.vm_connect import VMServiceASGIApplication
from limiquantix.storage.v1.image_connect import ImageServiceASGIApplication
from limiquantix.storage.v1.pool_connect import StoragePoolServiceASGIApplication
from limiquantix.storage.v1.volume_connect import VolumeService, VolumeServiceASGIApplication

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ControlPlaneHandle:
    """A control plane that serves."""

    url: str
    # What operators and nodes show it.
    token: str = field(repr=False)
    join_token: str = field(repr=False)
    # Makes a link by which a browser signs in once; empty where nobody needs to.
    sign_in_link: Callable[[], str] = field(repr=False, default=str)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Who comes in: by a token, or by a browser's session."""

    auth: Auth
    sessions: Sessions
    sign_in: SignIn


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What the web application opens: RPC services and plain HTTP."""

    applications: list[RpcApplication]
    plain: list[BaseRoute]


@asynccontextmanager
async def run_control_plane(
    settings: Settings, *, clock: Clock | None = None
) -> AsyncGenerator[ControlPlaneHandle]:
    """Serve in the running loop from when the block is entered until it is left.

    Raises:
        InvalidSettings, ListenDenied, PortTaken, DataDirBusy, StoreNotWritable, StorageFull,
        SchemaTooNew, DatabaseBusy, DatabaseUnavailable, InvalidCatalog: it cannot start like this.
    """
    settings = settings.checked()
    catalog = load_catalog(settings.catalog_file)
    async with AsyncExitStack() as stack:
        data_dir = stack.enter_context(held_data_dir(settings.data_dir))
        tokens = Tokens(
            operator=kept_token(data_dir / "token"),
            join=settings.join_token or kept_token(data_dir / "join-token"),
        )
        sock = stack.enter_context(listening_socket(settings.listen_host, settings.listen_port))
        world = World(
            database=await stack.enter_async_context(open_database(settings.database)),
            catalog=catalog,
            channels=_channels(settings, tokens),
            changes=Changes(),
            clock=clock or SystemClock(),
        )
        stack.push_async_callback(world.channels.close)
        url = url_of(sock, tls=settings.tls_cert is not None)
        gate = await _gate(world, settings, tokens, port=sock.getsockname()[1])
        doors = await _started(stack, world, settings, gate)
        web = web_application(
            doors.applications,
            plain=[*doors.plain, *gate.sign_in.routes()],
            pages=WebFiles(),
            hosts=answered_hosts(settings.listen_host, settings.allowed_hosts),
        )
        server = serving(web, sock, tls_cert=settings.tls_cert, tls_key=settings.tls_key)
        await stack.enter_async_context(server)
        _say_it_serves(settings, url)
        yield ControlPlaneHandle(
            url=url,
            token=tokens.operator,
            join_token=tokens.join,
            sign_in_link=lambda: url + link_path(gate.sessions),
        )


async def _gate(world: World, settings: Settings, tokens: Tokens, *, port: int) -> Gate:
    sessions = Sessions(database=world.database, clock=world.clock, token=tokens.operator)
    await sessions.load()
    cookie = SessionCookie(port)
    auth = Auth(tokens, required=not settings.no_auth, sessions=sessions, cookie=cookie)
    return Gate(auth=auth, sessions=sessions, sign_in=SignIn(sessions, auth, cookie))


def _channels(settings: Settings, tokens: Tokens) -> NodeChannels:
    ca = settings.node_ca.read_bytes() if settings.node_ca else None
    return NodeChannels(join_token=tokens.join, ca_certificate=ca)


def _say_it_serves(settings: Settings, url: str) -> None:
    if settings.no_auth:
        log.warning("authentication_is_off", url=url, meaning="every program on this machine is the operator")
    log.info("control_plane_ready", url=url)


async def _started(stack: AsyncExitStack, world: World, settings: Settings, gate: Gate) -> Doors:
    """Every service built and recovered, its tasks running, and the doors in front of them."""
    vm_records = VmRecords(database=world.database, changes=world.changes, clock=world.clock)
    parts = image_parts(world, vm_records, settings)
    undivided = Undivided()
    stack.push_async_callback(parts.runs.close)
    stack.push_async_callback(undivided.close)
    updates = await _catalog_updates(stack, world, settings)
    await parts.downloads.resume()
    refreshes = await _refreshing(stack, world, parts, settings)
    stack.push_async_callback(parts.conductor.close)
    await parts.conductor.resume()
    run_beside(stack, parts.nodes.watch(), "node-watch")
    run_beside(stack, parts.watch.run(), "library-watch")
    run_beside(stack, parts.deletions.run(), "deletions")
    run_beside(stack, parts.repairs.run(), "repairs")
    run_beside(stack, parts.garbage.run(settings.gc_interval_hours), "garbage")
    await parts.history.tidy()
    run_beside(stack, parts.history.watch(), "history")
    pages = PageTokens(bytes.fromhex(await world.database.secret("page-tokens")))
    # The outermost first: errors see everything, and nobody gets past auth.
    auth = gate.auth
    once = Once(RepeatedCalls(database=world.database, clock=world.clock))
    chain = (Errors(), auth, undivided, once)
    profiles = profile_service(world)
    vms, batches, disks, proofs = vm_services(world, vm_records, parts, profiles, settings.trust)
    stack.push_async_callback(vms.close)
    await vms.resume()
    consoles = Consoles(records=vm_records, nodes=GrpcNodeConsoles(world.channels), clock=world.clock)
    tls = settings.tls_cert is not None
    machines = VmHandlers(
        vms=vms,
        batches=batches,
        captures=parts.captures,
        consoles=consoles,
        disks=disks,
        tokens=pages,
        tls=tls,
    )
    run_beside(stack, parts.uploads.watch_expiry(), "upload-expiry")
    access = HttpAccess(auth)
    uploads = UploadHandlers(parts.uploads, access, largest_bytes=settings.max_upload_gib << 30)
    nodes = GrpcNodeImages(world.channels)
    files = ImageFiles(ImageBytes(database=world.database, images=parts.images, nodes=nodes), access)
    return Doors(
        applications=[
            *_image_applications(parts, refreshes, updates, proofs=proofs, pages=pages, chain=chain),
            VMServiceASGIApplication(machines, interceptors=chain),
            ProfileServiceASGIApplication(ProfileHandlers(profiles, pages), interceptors=chain),
        ],
        plain=[*uploads.routes(), *files.routes(), *ConsoleSockets(consoles, access).routes()],
    )


async def _catalog_updates(stack: AsyncExitStack, world: World, settings: Settings) -> CatalogUpdates:
    """The signed catalogue, as it was in use, and its schedule."""
    updates = CatalogUpdates(
        Parts(
            catalog=world.catalog,
            store=CatalogFile(settings.data_dir),
            reader=CatalogFiles(settings.catalog_file),
            verify=verify,
            files=GrpcSmallFiles(world.channels),
            database=world.database,
            clock=world.clock,
            rules=CatalogRules(keys=settings.signing_keys, url=settings.catalog_url),
        )
    )
    await updates.resume()
    if settings.catalog_url and settings.catalog_keys and settings.catalog_refresh_hours:
        run_beside(stack, updates.run(settings.catalog_refresh_hours), "catalog-updates")
    return updates


async def _refreshing(
    stack: AsyncExitStack, world: World, parts: ImageParts, settings: Settings
) -> Refreshes:
    """The refreshes, going on with what they left, and their schedule."""
    database, clock = world.database, world.clock
    planner = Planner(clock=clock, new_id=new_id)
    refreshes = Refreshes(
        database=database,
        targets=RefreshTargets(images=parts.images, catalog=parts.catalog),
        desk=PublisherDesk(GrpcPublishers(world.channels)),
        moves=RefreshMoves(planner=planner, clock=clock, new_id=new_id),
        spreading=Spreading(database=database, planner=planner, downloads=parts.downloads, runs=parts.runs),
        pruning=Pruning(database=database, deletions=parts.deletions),
        downloads=parts.downloads,
        runs=parts.runs,
        clock=clock,
        keep=settings.keep_versions,
    )
    stack.push_async_callback(refreshes.close)
    await refreshes.resume()
    if settings.refresh != "off":
        every, fetch = timedelta(hours=settings.refresh_hours), settings.refresh == "fetch"
        schedule = RefreshSchedule(refreshes=refreshes, clock=clock, every=every, fetch=fetch)
        run_beside(stack, schedule.run(), "refresh-schedule")
    return refreshes


def _image_applications(
    parts: ImageParts,
    refreshes: Refreshes,
    updates: CatalogUpdates,
    *,
    proofs: BootProofs,
    pages: PageTokens,
    chain: tuple[Any, ...],
) -> list[RpcApplication]:
    images = ImageHandlers(
        ImageServices(
            catalog=parts.catalog,
            catalog_updates=updates,
            downloads=parts.downloads,
            imports=parts.imports,
            images=parts.images,
            inventory=parts.inventory,
            watch=parts.watch,
            edits=parts.edits,
            deletions=parts.deletions,
            usages=parts.usages,
            garbage=parts.garbage,
            adoptions=parts.adoptions,
            conversions=parts.conversions,
            proofs=proofs,
            captures=parts.captures,
            refreshes=refreshes,
            placements=parts.placements,
            evictions=parts.evictions,
            checks=parts.checks,
            tokens=pages,
        )
    )
    return [
        ImageServiceASGIApplication(images, interceptors=chain),
        NodeServiceASGIApplication(NodeHandlers(nodes=parts.nodes, tokens=pages), interceptors=chain),
        StoragePoolServiceASGIApplication(PoolHandlers(parts.pools, pages), interceptors=chain),
        VolumeServiceASGIApplication(_Volumes(), interceptors=chain),
    ]


class _Volumes(VolumeService):
    """Every RPC answers UNIMPLEMENTED, as generated."""
