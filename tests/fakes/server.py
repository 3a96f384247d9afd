"""A server of the three services on a loopback port, with a small library of its own in memory.

A real implementation of the generated protocols behind real HTTP, for tests of clients. What it holds
and how it answers are plain attributes.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt.google.protobuf.empty_pb import Empty
from starlette.applications import Starlette
from starlette.routing import Mount

from image_library.domain.errors import (
    LibraryError,
    NameTaken,
    Unauthenticated,
    UnknownImage,
    UnknownNode,
    UnknownVm,
)
from image_library.wire.errors import to_connect
from limiquantix.compute.v1 import node_connect, vm_connect, vm_pb
from limiquantix.compute.v1.node_pb import GetNodeRequest, ListNodesRequest, ListNodesResponse, Node
from limiquantix.compute.v1.vm_pb import (
    ConsoleOutput,
    CreatedVM,
    CreateVMRequest,
    CreateVMsRequest,
    CreateVMsResponse,
    DeleteVMRequest,
    Finding,
    GetScreenshotRequest,
    ListVMsRequest,
    ListVMsResponse,
    PreflightReport,
    ProvisioningPreview,
    ReadConsoleRequest,
    Screenshot,
    StartVMRequest,
    StopVMRequest,
    VirtualMachine,
    VmStatus,
    WatchVMRequest,
)
from limiquantix.storage.v1 import image_connect
from limiquantix.storage.v1.image_pb import (
    AdoptImageRequest,
    CancelImportRequest,
    CatalogDownloadStatus,
    CatalogState,
    CollectGarbageRequest,
    CollectGarbageResponse,
    ConvertImageRequest,
    DeleteImageRequest,
    DownloadImageRequest,
    DownloadImageResponse,
    ExplainJobRequest,
    GarbageItem,
    GetCatalogDownloadStatusRequest,
    GetCatalogDownloadStatusResponse,
    GetImageCatalogRequest,
    GetImageCatalogResponse,
    GetImageRequest,
    GetImageUsageRequest,
    GetImportStatusRequest,
    Image,
    ImageCatalogEntry,
    ImageSpec,
    ImageStatus,
    ImageUsage,
    ImageUser,
    ImportImageRequest,
    ImportImageResponse,
    ImportStatus,
    JobExplanation,
    ListImagesRequest,
    ListImagesResponse,
    ListJobsRequest,
    ListJobsResponse,
    OsInfo,
    RefreshCatalogRequest,
    RefreshImagesRequest,
    RefreshImagesResponse,
    RefreshResult,
    RetryImportRequest,
    ScanLocalImagesRequest,
    ScanLocalImagesResponse,
    UpdateImageRequest,
    VerifyImageProgress,
    VerifyImageRequest,
)
from limiquantix.storage.v1.trust_pb import TrustLevel

T = TypeVar("T")
TOKEN = "t0ken"


def debian(**changes: Any) -> ImageCatalogEntry:
    facts: dict[str, Any] = {
        "id": "debian-12",
        "name": "Debian 12",
        "os": OsInfo(
            family=OsInfo.OsFamily.LINUX, distribution="debian", version="12", default_user="debian"
        ),
        "trust": TrustLevel.CHECKSUM,
        "support_ends": "2028-06-30",
        "architectures": ["x86_64", "aarch64"],
    }
    return ImageCatalogEntry(**{**facts, **changes})


def image_of(entry: ImageCatalogEntry, *, image_id: str = "img-1", ready: bool = True) -> Image:
    phase = ImageStatus.Phase.READY if ready else ImageStatus.Phase.DOWNLOADING
    status = ImageStatus(
        phase=phase, size_bytes=400 << 20, virtual_size_bytes=3 << 30, trust=TrustLevel.CHECKSUM
    )
    return Image(
        id=image_id,
        name=entry.id,
        spec=ImageSpec(catalog_id=entry.id, os=entry.os, format=ImageSpec.Format.QCOW2),
        status=status,
    )


def replace_etag(image: Image, etag: str) -> Image:
    """The image as it is after a change."""
    changed = Image.from_binary(image.to_binary())
    changed.etag = etag
    return changed


def progress(stage: str, done: int = 0, **changes: Any) -> ImportStatus:
    facts: dict[str, Any] = {
        "job_id": "job-1",
        "image_id": "img-1",
        "name": "debian-12",
        "catalog_id": "debian-12",
        "stage": stage,
        "status": ImportStatus.Status.DOWNLOADING,
        "bytes_downloaded": done,
        "bytes_total": 400 << 20,
        "progress_percent": done * 100 // (400 << 20),
    }
    return ImportStatus(**{**facts, **changes})


WHOLE = progress("ready", 400 << 20, status=ImportStatus.Status.COMPLETED)
DOWNLOAD = (
    progress("queued", status=ImportStatus.Status.PENDING),
    progress("fetching", 100 << 20, download_speed=50 << 20, eta_seconds=6),
    progress("verifying", 400 << 20),
    WHOLE,
)
BOOT = ("disk", "boot", "network", "cloud_init", "ssh", "done")


@dataclass(kw_only=True)
class FakeLibrary:
    """What the server holds, and how its jobs and VMs come along."""

    catalog: list[ImageCatalogEntry] = field(default_factory=lambda: [debian()])
    images: list[Image] = field(default_factory=list[Image])
    vms: list[VirtualMachine] = field(default_factory=list[VirtualMachine])
    nodes: list[Node] = field(default_factory=list[Node])
    checks: list[VerifyImageProgress] = field(default_factory=list[VerifyImageProgress])
    users: list[ImageUser] = field(default_factory=list[ImageUser])
    garbage: list[GarbageItem] = field(default_factory=list[GarbageItem])
    # What every new VM says of its image.
    warnings: tuple[str, ...] = ()
    jobs: list[ImportStatus] = field(default_factory=list[ImportStatus])
    download: tuple[ImportStatus, ...] = DOWNLOAD
    # What a refresh finds; its jobs go as "downloads" says by their ids, others as "download".
    refreshed: list[RefreshResult] = field(default_factory=list[RefreshResult])
    catalog_state: CatalogState | None = None
    downloads: dict[str, tuple[ImportStatus, ...]] = field(
        default_factory=dict[str, tuple[ImportStatus, ...]]
    )
    stages: tuple[str, ...] = BOOT
    # How work on a disk goes, from its beginning to its end.
    disk_tasks: tuple[vm_pb.DiskTask, ...] = ()
    snapshots: tuple[vm_pb.Snapshot, ...] = ()
    cloud_init_errors: tuple[str, ...] = ()
    console: tuple[bytes, ...] = ()
    # Raised by the call of this name instead of answering.
    failing: dict[str, LibraryError | ConnectError] = field(
        default_factory=dict[str, LibraryError | ConnectError]
    )
    # Streams wait for ever after their last message instead of ending.
    endless: bool = False
    # How often WatchImport breaks off after its first message before it goes on.
    breaks: int = 0
    requests: list[Any] = field(default_factory=list[Any])
    findings: list[Finding] = field(default_factory=list[Finding])
    explanation: JobExplanation = field(default_factory=JobExplanation)
    # The idempotency keys of imports.
    keys: list[str] = field(default_factory=list[str])

    def asked(self, kind: type[T]) -> list[T]:
        return [request for request in self.requests if isinstance(request, kind)]

    def note(self, call: str, request: object) -> None:
        self.requests.append(request)
        error = self.failing.get(call)
        if error is not None:
            raise to_connect(error) if isinstance(error, LibraryError) else error


async def linger(library: FakeLibrary) -> None:
    if library.endless:
        await asyncio.Event().wait()


@dataclass
class Images(image_connect.ImageService):
    library: FakeLibrary

    async def get_image_catalog(
        self, request: GetImageCatalogRequest, ctx: Any, /
    ) -> GetImageCatalogResponse:
        self.library.note("catalog", request)
        return GetImageCatalogResponse(images=self.library.catalog, catalog=self.library.catalog_state)

    async def get_catalog_download_status(
        self, request: GetCatalogDownloadStatusRequest, ctx: Any, /
    ) -> GetCatalogDownloadStatusResponse:
        here = {i.spec.catalog_id for i in self.library.images if i.spec}
        ready = CatalogDownloadStatus.Status.READY
        statuses = [CatalogDownloadStatus(catalog_id=catalog_id, status=ready) for catalog_id in here]
        return GetCatalogDownloadStatusResponse(statuses=statuses)

    async def list_images(self, request: ListImagesRequest, ctx: Any, /) -> ListImagesResponse:
        self.library.note("list_images", request)
        at = int(request.page_token or 0)
        page = self.library.images[at : at + 2]
        more = str(at + 2) if at + 2 < len(self.library.images) else ""
        return ListImagesResponse(images=page, next_page_token=more, total_count=len(self.library.images))

    async def get_image(self, request: GetImageRequest, ctx: Any, /) -> Image:
        known = self.library.images
        for same in (
            [i for i in known if i.id == request.id],
            [i for i in known if i.name == request.id],
            [i for i in known if i.spec and i.spec.catalog_id == request.id],
        ):
            if same:
                return same[0]
        names = [*(entry.id for entry in self.library.catalog), *(i.name for i in known)]
        raise to_connect(UnknownImage.named(request.id, names))

    async def update_image(self, request: UpdateImageRequest, ctx: Any, /) -> Image:
        self.library.note("update_image", request)
        return replace_etag(await self.get_image(GetImageRequest(id=request.id), ctx), "after")

    async def get_image_usage(self, request: GetImageUsageRequest, ctx: Any, /) -> ImageUsage:
        self.library.note("usage", request)
        return ImageUsage(image_id=request.image, vms=self.library.users, job_ids=["job-9"])

    async def adopt_image(self, request: AdoptImageRequest, ctx: Any, /) -> ImportStatus:
        self.library.note("adopt", request)
        return progress("queued", kind="adopt")

    async def verify_image(
        self, request: VerifyImageRequest, ctx: Any, /
    ) -> AsyncIterator[VerifyImageProgress]:
        self.library.note("verify", request)
        for check in self.library.checks:
            yield check

    async def convert_image(self, request: ConvertImageRequest, ctx: Any, /) -> ImportStatus:
        self.library.note("convert", request)
        return progress("queued", kind="convert")

    async def collect_garbage(self, request: CollectGarbageRequest, ctx: Any, /) -> CollectGarbageResponse:
        self.library.note("gc", request)
        freed = sum(item.bytes for item in self.library.garbage)
        return CollectGarbageResponse(items=self.library.garbage, bytes=freed, errors=["box is away."])

    async def delete_image(self, request: DeleteImageRequest, ctx: Any, /) -> Empty:
        self.library.note("delete_image", request)
        self.library.images = [i for i in self.library.images if i.id != request.id]
        return Empty()

    async def download_image(self, request: DownloadImageRequest, ctx: Any, /) -> DownloadImageResponse:
        self.library.note("download", request)
        for image in self.library.images:
            if image.spec and image.spec.catalog_id == request.catalog_id:
                return DownloadImageResponse(image=image)
        for entry in self.library.catalog:
            if entry.id == request.catalog_id:
                return DownloadImageResponse(job_id="job-1", image=image_of(entry, ready=False))
        raise to_connect(UnknownImage.named(request.catalog_id, [e.id for e in self.library.catalog]))

    async def watch_import(self, request: GetImportStatusRequest, ctx: Any, /) -> AsyncIterator[ImportStatus]:
        self.library.note("watch_import", request)
        for status in self.library.downloads.get(request.job_id, self.library.download):
            if status.status is ImportStatus.Status.COMPLETED and not self.library.images:
                self.library.images.append(image_of(self.library.catalog[0]))
            yield status
            if self.library.breaks:
                self.library.breaks -= 1
                raise ConnectError(Code.UNAVAILABLE, "going down")
        await linger(self.library)

    async def refresh_catalog(self, request: RefreshCatalogRequest, ctx: Any, /) -> CatalogState:
        self.library.note("refresh catalog", request)
        return self.library.catalog_state or CatalogState()

    async def refresh_images(self, request: RefreshImagesRequest, ctx: Any, /) -> RefreshImagesResponse:
        self.library.note("refresh", request)
        return RefreshImagesResponse(results=self.library.refreshed)

    async def scan_local_images(
        self, request: ScanLocalImagesRequest, ctx: Any, /
    ) -> ScanLocalImagesResponse:
        self.library.note("scan", request)
        return ScanLocalImagesResponse(registered_count=2, existing_count=1, errors=["x.qcow2: is no image"])

    async def list_jobs(self, request: ListJobsRequest, ctx: Any, /) -> ListJobsResponse:
        self.library.note("list_jobs", request)
        return ListJobsResponse(jobs=self.library.jobs, total_count=len(self.library.jobs))

    async def import_image(self, request: ImportImageRequest, ctx: Any, /) -> ImportImageResponse:
        self.library.note("import", request)
        self.library.keys.append(ctx.request_headers.get("idempotency-key", ""))
        image = image_of(debian(), ready=False)
        return ImportImageResponse(job_id="job-1", image=image)

    async def retry_import(self, request: RetryImportRequest, ctx: Any, /) -> ImportStatus:
        self.library.note("retry", request)
        return progress("queued", status=ImportStatus.Status.PENDING, retry_of=request.job_id)

    async def explain_job(self, request: ExplainJobRequest, ctx: Any, /) -> JobExplanation:
        self.library.note("explain", request)
        return self.library.explanation

    async def cancel_import(self, request: CancelImportRequest, ctx: Any, /) -> ImportStatus:
        self.library.note("cancel", request)
        return progress("cancelled", job_id=request.job_id, status=ImportStatus.Status.FAILED)


@dataclass
class Vms(vm_connect.VMService):
    library: FakeLibrary

    async def create_vm(self, request: CreateVMRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("create_vm", request)
        if any(vm.name == request.name for vm in self.library.vms):
            raise to_connect(NameTaken(f"There is a VM '{request.name}' already."))
        vm = VirtualMachine(id=f"vm-{len(self.library.vms) + 1}", name=request.name, spec=request.spec)
        provisioning = VmStatus.PowerState.PROVISIONING
        vm.status = VmStatus(state=provisioning, warnings=list(self.library.warnings))
        self.library.vms.append(vm)
        return vm

    async def create_v_ms(self, request: CreateVMsRequest, ctx: Any, /) -> CreateVMsResponse:
        self.library.note("create_vms", request)
        assert request.vm
        names = [f"{request.vm.name}-{number:03}" for number in range(1, request.count + 1)]
        made: list[CreatedVM] = []
        for name in names if request.count > 1 else [request.vm.name]:
            one = CreateVMRequest(name=name, spec=request.vm.spec)
            made.append(CreatedVM(name=name, vm=await self.create_vm(one, ctx)))
        return CreateVMsResponse(vms=made)

    async def preview_provisioning(self, request: CreateVMRequest, ctx: Any, /) -> ProvisioningPreview:
        self.library.note("preview_provisioning", request)
        return ProvisioningPreview(user_data="#cloud-config\n", paths={"user_data": "user-data"})

    async def preflight_vm(self, request: CreateVMRequest, ctx: Any, /) -> PreflightReport:
        self.library.note("preflight_vm", request)
        return PreflightReport(findings=self.library.findings)

    async def list_v_ms(self, request: ListVMsRequest, ctx: Any, /) -> ListVMsResponse:
        self.library.note("list_vms", request)
        return ListVMsResponse(vms=self.library.vms, total_count=len(self.library.vms))

    async def watch_vm(self, request: WatchVMRequest, ctx: Any, /) -> AsyncIterator[VirtualMachine]:
        self.library.note("watch_vm", request)
        vm = self._found(request.vm_id)
        for task in self.library.disk_tasks:
            vm.status = VmStatus(disk_task=task)
            yield vm
        for stage in self.library.stages:
            vm.status = self._status(stage)
            yield vm
        await linger(self.library)

    def _status(self, stage: str) -> VmStatus:
        status = VmStatus(state=VmStatus.PowerState.RUNNING, stage=stage)
        status.ssh_host, status.ssh_port, status.ssh_user = "127.0.0.1", 40022, "debian"
        if stage in ("cloud_init", "ssh"):
            status.cloud_init_status = "running"
        if stage == "done":
            errors = self.library.cloud_init_errors
            status.cloud_init_status = "error" if errors else "done"
            status.cloud_init_errors = list(errors)
        return status

    async def start_vm(self, request: StartVMRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("start_vm", request)
        vm = self._found(request.id)
        vm.status = VmStatus(state=VmStatus.PowerState.RUNNING)
        return vm

    async def stop_vm(self, request: StopVMRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("stop_vm", request)
        vm = self._found(request.id)
        vm.status = VmStatus(state=VmStatus.PowerState.STOPPED)
        return vm

    async def reboot_vm(self, request: vm_pb.RebootVMRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("reboot_vm", request)
        return self._found(request.id)

    async def grow_disk(self, request: vm_pb.GrowDiskRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("grow_disk", request)
        return self._found(request.id)

    async def flatten_disk(self, request: vm_pb.FlattenDiskRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("flatten_disk", request)
        return self._begun(request.id)

    async def rebase_vm(self, request: vm_pb.RebaseVMRequest, ctx: Any, /) -> vm_pb.RebaseVMResponse:
        self.library.note("rebase_vm", request)
        vm = self._found(request.id) if request.dry_run else self._begun(request.id)
        return vm_pb.RebaseVMResponse(vm=vm, from_title="debian-12@1", to_title="debian-12@2")

    async def create_snapshot(self, request: vm_pb.CreateSnapshotRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("create_snapshot", request)
        return self._begun(request.id)

    async def revert_to_snapshot(self, request: vm_pb.RevertToSnapshotRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("revert_to_snapshot", request)
        return self._begun(request.id)

    async def list_snapshots(
        self, request: vm_pb.ListSnapshotsRequest, ctx: Any, /
    ) -> vm_pb.ListSnapshotsResponse:
        self.library.note("list_snapshots", request)
        return vm_pb.ListSnapshotsResponse(snapshots=list(self.library.snapshots))

    async def delete_snapshot(self, request: vm_pb.DeleteSnapshotRequest, ctx: Any, /) -> Empty:
        self.library.note("delete_snapshot", request)
        return Empty()

    async def cancel_disk_task(self, request: vm_pb.CancelDiskTaskRequest, ctx: Any, /) -> VirtualMachine:
        self.library.note("cancel_disk_task", request)
        return self._found(request.id)

    def _begun(self, vm_id: str) -> VirtualMachine:
        """As far as the first of the tasks that the test tells of."""
        vm = self._found(vm_id)
        vm.status = VmStatus(disk_task=self.library.disk_tasks[0])
        return vm

    async def delete_vm(self, request: DeleteVMRequest, ctx: Any, /) -> Empty:
        self.library.note("delete_vm", request)
        self.library.vms.remove(self._found(request.id))
        return Empty()

    async def read_console(self, request: ReadConsoleRequest, ctx: Any, /) -> AsyncIterator[ConsoleOutput]:
        self.library.note("read_console", request)
        at = 0
        for piece in self.library.console:
            yield ConsoleOutput(offset=at, data=piece)
            at += len(piece)

    async def get_screenshot(self, request: GetScreenshotRequest, ctx: Any, /) -> Screenshot:
        self.library.note("get_screenshot", request)
        return Screenshot(data=b"png", content_type="image/png", width=2, height=1)

    def _found(self, vm_id: str) -> VirtualMachine:
        for vm in self.library.vms:
            if vm.id == vm_id:
                return vm
        raise to_connect(UnknownVm(f"There is no VM '{vm_id}'."))


@dataclass
class Nodes(node_connect.NodeService):
    library: FakeLibrary

    async def get_node(self, request: GetNodeRequest, ctx: Any, /) -> Node:
        self.library.note("get_node", request)
        for node in self.library.nodes:
            if request.id in (node.id, node.hostname):
                return node
        raise to_connect(UnknownNode(f"There is no node '{request.id}'."))

    async def list_nodes(self, request: ListNodesRequest, ctx: Any, /) -> ListNodesResponse:
        self.library.note("list_nodes", request)
        return ListNodesResponse(nodes=self.library.nodes, total_count=len(self.library.nodes))


class NeedsToken:
    """Every call needs the token, as at the real server."""

    async def intercept_unary(self, call_next: Callable[..., Any], request: Any, ctx: Any, /) -> Any:
        _check(ctx)
        return await call_next(request, ctx)

    async def intercept_server_stream(
        self, call_next: Callable[..., Any], request: Any, ctx: Any, /
    ) -> AsyncIterator[Any]:
        _check(ctx)
        async for message in call_next(request, ctx):
            yield message


def _check(ctx: Any) -> None:
    if ctx.request_headers.get("authorization") != f"Bearer {TOKEN}":
        raise to_connect(Unauthenticated("The request carries no token that is known."))


class Telling(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Running:
    """An ASGI application behind a real socket, in a thread of its own."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = Telling(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        assert self._server.listening.wait(20)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)


def application(library: FakeLibrary) -> Starlette:
    needs = (NeedsToken(),)
    apps = (
        image_connect.ImageServiceASGIApplication(Images(library), interceptors=needs),
        vm_connect.VMServiceASGIApplication(Vms(library), interceptors=needs),
        node_connect.NodeServiceASGIApplication(Nodes(library), interceptors=needs),
    )
    return Starlette(routes=[Mount(app.path, app=app) for app in apps])
