"""The control plane's services, built: each is given what it needs and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from image_library.controlplane.adapters.cloud_init_schema import CloudInitSchema
from image_library.controlplane.adapters.node_channels import NodeChannels
from image_library.controlplane.adapters.node_gateway import GrpcNodeGateway
from image_library.controlplane.adapters.node_gateway_images import GrpcNodeImages
from image_library.controlplane.adapters.node_gateway_uploads import GrpcNodeUploads
from image_library.controlplane.adapters.node_gateway_vms import GrpcNodeVms
from image_library.controlplane.adapters.provisioning_reader import WireReader
from image_library.controlplane.adapters.system_clock import new_id, new_salt
from image_library.controlplane.adapters.xml_answer_files import XmlAnswerFiles
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.adoptions import Adoptions
from image_library.controlplane.services.boot_proofs import BootProofs
from image_library.controlplane.services.captures import Captures
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.clearing import Clearing
from image_library.controlplane.services.conversions import Conversions
from image_library.controlplane.services.deletions import Deletions
from image_library.controlplane.services.download_log import DownloadLog
from image_library.controlplane.services.download_plan import Planner
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.downloads import Downloads
from image_library.controlplane.services.driver_discs import DriverDiscs
from image_library.controlplane.services.eviction import Evictions
from image_library.controlplane.services.fetch_again import FetchAgain
from image_library.controlplane.services.garbage import Garbage
from image_library.controlplane.services.history import History
from image_library.controlplane.services.image_checks import ImageChecks
from image_library.controlplane.services.image_edits import ImageEdits
from image_library.controlplane.services.image_usage import ImageUsages
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.imports import Imports
from image_library.controlplane.services.inventory import InventoryService
from image_library.controlplane.services.job_retry import RetryPlanner
from image_library.controlplane.services.library_watch import LibraryWatch
from image_library.controlplane.services.nodes import NodeService
from image_library.controlplane.services.placement_conductor import Conductor
from image_library.controlplane.services.placing import Placements
from image_library.controlplane.services.pools import Pools
from image_library.controlplane.services.profiles import ProfileService
from image_library.controlplane.services.provisioning import SeedRenderer
from image_library.controlplane.services.repairs import Repairs
from image_library.controlplane.services.upload_plan import Limits, UploadPlanner
from image_library.controlplane.services.uploads import Uploads
from image_library.controlplane.services.vm_batches import VmBatches
from image_library.controlplane.services.vm_disks import VmDiskService
from image_library.controlplane.services.vm_followers import VmFollowers
from image_library.controlplane.services.vm_launch import VmLaunches
from image_library.controlplane.services.vm_orders import VmOrders
from image_library.controlplane.services.vm_preflight import VmPreflight
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.services.vm_seeds import VmSeeds
from image_library.controlplane.services.vm_source import VmSources
from image_library.controlplane.services.vms import VmService
from image_library.controlplane.services.windows_answers import AnswerFileRenderer
from image_library.controlplane.settings import Settings
from image_library.domain.catalog import Catalog
from image_library.domain.changes import Changes
from image_library.domain.trust_policy import TrustPolicy


@dataclass(frozen=True, kw_only=True)
class World:
    """What all services share."""

    database: Database
    catalog: Catalog
    channels: NodeChannels
    changes: Changes
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class ImageParts:
    """The services around images and nodes."""

    catalog: CatalogService
    downloads: Downloads
    uploads: Uploads
    runs: DownloadRuns
    imports: Imports
    history: History
    images: ImageService
    inventory: InventoryService
    watch: LibraryWatch
    nodes: NodeService
    edits: ImageEdits
    deletions: Deletions
    usages: ImageUsages
    garbage: Garbage
    adoptions: Adoptions
    conversions: Conversions
    captures: Captures
    evictions: Evictions
    checks: ImageChecks
    repairs: Repairs
    placements: Placements
    conductor: Conductor
    pools: Pools


def image_parts(world: World, vm_records: VmRecords, settings: Settings) -> ImageParts:
    database, clock, changes = world.database, world.clock, world.changes
    gateway = GrpcNodeGateway(world.channels)
    catalog = CatalogService(catalog=world.catalog, database=database, clock=clock)
    written = DownloadLog(database=database, clock=clock, new_id=new_id, proofs=settings.proofs)
    patience = timedelta(hours=settings.job_patience_hours)
    runs = DownloadRuns(records=written, gateway=gateway, changes=changes, clock=clock, patience=patience)
    images = ImageService(database=database, catalog=catalog)
    conductor = Conductor(database=database, runs=runs, changes=changes, clock=clock, patience=patience)
    inventory = InventoryService(
        database=database, gateway=gateway, changes=changes, clock=clock, new_id=new_id
    )
    placements = _placements(world, images, catalog, runs=runs, conductor=conductor)
    return ImageParts(
        catalog=catalog,
        runs=runs,
        downloads=Downloads(
            database=database,
            catalog=catalog,
            planner=Planner(clock=clock, new_id=new_id),
            retries=RetryPlanner(clock=clock, new_id=new_id),
            runs=runs,
            changes=changes,
        ),
        imports=_imports(world, runs, settings),
        history=History(database=database, clock=clock, job_days=settings.job_history_days),
        uploads=_uploads(world, settings, written, runs),
        watch=LibraryWatch(database=database, runs=runs, clock=clock),
        images=images,
        inventory=inventory,
        edits=_edits(world, images, catalog, settings),
        deletions=_deletions(world, images, vm_records),
        usages=ImageUsages(database=database, images=images),
        garbage=Garbage(database=database, gateway=gateway, inventory=inventory, clock=clock),
        adoptions=Adoptions(database=database, images=images, runs=runs, clock=clock, new_id=new_id),
        placements=placements,
        repairs=Repairs(
            database=database,
            placements=placements,
            imports=FetchAgain(database=database, runs=runs, clock=clock, new_id=new_id),
            changes=changes,
            clock=clock,
        ),
        checks=ImageChecks(database=database, images=images, nodes=GrpcNodeImages(world.channels)),
        captures=_captures(world, vm_records, runs),
        conversions=Conversions(database=database, images=images, runs=runs, clock=clock, new_id=new_id),
        conductor=conductor,
        evictions=Evictions(database=database, images=images, gateway=gateway, clock=clock),
        pools=Pools(database),
        nodes=_nodes(world, gateway, vm_records, settings),
    )


def _nodes(world: World, gateway: GrpcNodeGateway, vm_records: VmRecords, settings: Settings) -> NodeService:
    return NodeService(
        database=world.database,
        gateway=gateway,
        vm_reports=vm_records,
        changes=world.changes,
        clock=world.clock,
        new_id=new_id,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


def _placements(
    world: World, images: ImageService, catalog: CatalogService, *, runs: DownloadRuns, conductor: Conductor
) -> Placements:
    return Placements(
        database=world.database,
        images=images,
        catalog=catalog,
        planner=Planner(clock=world.clock, new_id=new_id),
        runs=runs,
        conductor=conductor,
        clock=world.clock,
        new_id=new_id,
    )


def _imports(world: World, runs: DownloadRuns, settings: Settings) -> Imports:
    return Imports(
        database=world.database,
        catalog=world.catalog,
        runs=runs,
        clock=world.clock,
        new_id=new_id,
        proofs=settings.proofs,
    )


def _edits(world: World, images: ImageService, catalog: CatalogService, settings: Settings) -> ImageEdits:
    return ImageEdits(
        database=world.database, images=images, catalog=catalog, clock=world.clock, proofs=settings.proofs
    )


def _uploads(world: World, settings: Settings, written: DownloadLog, runs: DownloadRuns) -> Uploads:
    limits = Limits(largest_gib=settings.max_upload_gib, project_quota_gib=settings.project_quota_gib)
    return Uploads(
        database=world.database,
        planner=UploadPlanner(catalog=world.catalog, clock=world.clock, new_id=new_id, limits=limits),
        nodes=GrpcNodeUploads(world.channels),
        records=written,
        runs=runs,
        changes=world.changes,
        clock=world.clock,
        expiry=timedelta(hours=settings.upload_expiry_hours),
    )


def _deletions(world: World, images: ImageService, vm_records: VmRecords) -> Deletions:
    gateway = GrpcNodeGateway(world.channels)
    return Deletions(
        database=world.database,
        images=images,
        clearing=Clearing(database=world.database, gateway=gateway, clock=world.clock),
        vms=vm_records,
        nodes=GrpcNodeVms(world.channels),
        changes=world.changes,
        clock=world.clock,
    )


def _captures(world: World, vm_records: VmRecords, runs: DownloadRuns) -> Captures:
    return Captures(
        database=world.database,
        catalog=world.catalog,
        vms=vm_records,
        nodes=GrpcNodeVms(world.channels),
        runs=runs,
        clock=world.clock,
        new_id=new_id,
    )


def profile_service(world: World) -> ProfileService:
    return ProfileService(
        database=world.database,
        reader=WireReader(),
        documents=YamlDocuments(),
        clock=world.clock,
        new_id=new_id,
    )


def vm_services(
    world: World, records: VmRecords, parts: ImageParts, profiles: ProfileService, trust: TrustPolicy
) -> tuple[VmService, VmBatches, VmDiskService, BootProofs]:
    database, clock, changes = world.database, world.clock, world.changes
    nodes = GrpcNodeVms(world.channels)
    followers = VmFollowers(database=database, records=records, nodes=nodes, changes=changes, clock=clock)
    orders = _orders(world, records, parts, profiles, trust)
    launches = VmLaunches(
        database=database,
        records=records,
        nodes=nodes,
        followers=followers,
        trust=trust,
        changes=changes,
        clock=clock,
    )
    vms = VmService(
        database=database,
        records=records,
        orders=orders,
        launches=launches,
        followers=followers,
        nodes=nodes,
        changes=changes,
        clock=clock,
    )
    disks = VmDiskService(
        database=database,
        records=records,
        followers=followers,
        nodes=nodes,
        images=parts.images,
        trust=trust,
    )
    proofs = BootProofs(
        database=database, images=parts.images, orders=orders, runs=parts.runs, clock=clock, new_id=new_id
    )
    return vms, VmBatches(orders=orders, vms=vms), disks, proofs


def _orders(
    world: World, records: VmRecords, parts: ImageParts, profiles: ProfileService, trust: TrustPolicy
) -> VmOrders:
    return VmOrders(
        database=world.database,
        records=records,
        sources=VmSources(
            database=world.database,
            catalog=world.catalog,
            names=parts.images,
            downloads=parts.downloads,
            adoptions=parts.adoptions,
        ),
        trust=trust,
        profiles=profiles,
        seeds=VmSeeds(
            renderer=SeedRenderer(YamlDocuments()),
            answers=AnswerFileRenderer(XmlAnswerFiles()),
            new_salt=new_salt,
        ),
        discs=DriverDiscs(database=world.database, names=parts.images),
        preflight=_preflight(world),
        clock=world.clock,
        new_id=new_id,
    )


def _preflight(world: World) -> VmPreflight:
    return VmPreflight(
        database=world.database,
        catalog=world.catalog,
        documents=YamlDocuments(),
        schema=CloudInitSchema(),
        clock=world.clock,
    )
