"""A node on a loopback port: real gRPC, with downloads and scans that go as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grpc import StatusCode, aio
from protobuf.wkt import Empty

from image_library.domain.changes import Changes
from image_library.domain.errors import BootProofInterrupted, LibraryError, SourceNotFound, Unauthenticated
from image_library.domain.garbage import GarbageItem, GarbageOrder
from image_library.domain.inventory import Inventory
from image_library.domain.job import JobState
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.store import Download, DownloadOrder
from image_library.wire.boot_proof import proof_order_from_wire
from image_library.wire.errors import to_grpc
from image_library.wire.garbage import garbage_order_from_wire, garbage_to_wire
from image_library.wire.inventory import inventory_to_wire
from image_library.wire.node_daemon import adoption_from_wire, download_to_wire, order_from_wire
from image_library.wire.publisher import answer_to_wire, question_from_wire
from limiquantix.node.v1 import node_daemon_pb as pb
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceService
from limiquantix.storage.v1.image_pb import ScanLocalImagesRequest

if TYPE_CHECKING:
    # Generic in the type stubs only.
    Context = aio.ServicerContext[Any, Any]


@dataclass
class FakeNodeDaemon(NodeDaemonServiceService):
    """The journal is the node's memory: it stays when ``serving`` ends, as a disk would."""

    node_id: str = "node-1"
    token: str = ""
    inventory: Inventory = field(default_factory=lambda: Inventory(node_id="node-1", complete=True))
    refusal: LibraryError | None = None
    journal: dict[str, Download] = field(default_factory=dict[str, Download])
    endpoint: str = ""
    removed: list[str] = field(default_factory=list[str])
    resumed: int = 0
    garbage: list[GarbageItem] = field(default_factory=list[GarbageItem])
    garbage_orders: list[GarbageOrder] = field(default_factory=list[GarbageOrder])
    # What publishers say here; none: the node is too old to ask them.
    answer: PublisherAnswer | None = None
    questions: list[PublisherQuestion] = field(default_factory=list[PublisherQuestion])
    # What it can fetch, by URL.
    small_files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _changes: Changes = field(default_factory=Changes)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[FakeNodeDaemon]:
        server = aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        self.endpoint = f"127.0.0.1:{port}"
        self.add_to_server(server)
        await server.start()
        try:
            yield self
        finally:
            await server.stop(None)

    async def downloading(self, job_id: str) -> Download:
        """The job's record, once the control plane has asked for it."""
        with self._changes.follow("any") as changed:
            while job_id not in self.journal:
                await asyncio.wait_for(changed.wait(), 10)
        return self.journal[job_id]

    async def asked(self, *, but: frozenset[str]) -> Download:
        """The record of the first job that is not one of those."""
        with self._changes.follow("any") as changed:
            while not (new := [job_id for job_id in self.journal if job_id not in but]):
                await asyncio.wait_for(changed.wait(), 10)
        return self.journal[new[0]]

    async def told_to_remove(self, count: int) -> None:
        """Once it was told so that often."""
        with self._changes.follow("removed") as changed:
            while len(self.removed) < count:
                await asyncio.wait_for(changed.wait(), 10)

    def say(self, download: Download) -> None:
        """Let the node report the job so from now on."""
        self.journal[download.order.job_id] = download
        self._changes.notify(download.order.job_id)

    async def get_node_info(self, request: Empty, context: Context) -> pb.GetNodeInfoResponse:
        await self._enter(context)
        return pb.GetNodeInfoResponse(node_id=self.node_id)

    async def download_image(
        self, request: pb.DownloadImageOnNodeRequest, context: Context
    ) -> AsyncIterator[pb.DownloadProgress]:
        await self._enter(context)
        async for progress in self._followed(order_from_wire(request)):
            yield progress

    async def adopt_file(
        self, request: pb.AdoptFileRequest, context: Context
    ) -> AsyncIterator[pb.DownloadProgress]:
        await self._enter(context)
        async for progress in self._followed(adoption_from_wire(request)):
            yield progress

    async def prove_boot(
        self, request: pb.ProveBootRequest, context: Context
    ) -> AsyncIterator[pb.DownloadProgress]:
        await self._enter(context)
        order = proof_order_from_wire(request, architecture="x86_64")
        if request.begun and request.job_id not in self.journal:
            await context.abort(*to_grpc(BootProofInterrupted("The node was restarted.")))
        async for progress in self._followed(order):
            yield progress

    async def collect_garbage(
        self, request: pb.CollectGarbageOnNodeRequest, context: Context
    ) -> pb.CollectGarbageOnNodeResponse:
        await self._enter(context)
        self.garbage_orders.append(garbage_order_from_wire(request))
        return pb.CollectGarbageOnNodeResponse(items=garbage_to_wire(self.garbage))

    async def _followed(self, order: DownloadOrder) -> AsyncIterator[pb.DownloadProgress]:
        self.journal.setdefault(order.job_id, Download(order=order))
        self._changes.notify("any")
        with self._changes.follow(order.job_id) as changed:
            while True:
                download = self.journal[order.job_id]
                yield download_to_wire(download)
                if download.state.ended:
                    return
                await changed.wait()

    async def cancel_download(self, request: pb.CancelDownloadRequest, context: Context) -> Empty:
        await self._enter(context)
        download = self.journal.get(request.job_id)
        if download and not download.state.ended:
            self.say(download.evolve(state=JobState.CANCELLED))
        return Empty()

    async def resume_store(self, request: Empty, context: Context) -> Empty:
        await self._enter(context)
        self.resumed += 1
        return Empty()

    async def scan_images(self, request: Empty, context: Context) -> ScanLocalImagesRequest:
        await self._enter(context)
        return inventory_to_wire(self.inventory)

    async def remove_image(self, request: pb.RemoveImageRequest, context: Context) -> Empty:
        await self._enter(context)
        self.removed.append(request.digest)
        self._changes.notify("removed")
        return Empty()

    async def ask_publisher(
        self, request: pb.AskPublisherRequest, context: Context
    ) -> pb.AskPublisherResponse:
        await self._enter(context)
        question = question_from_wire(request)
        self.questions.append(question)
        if self.answer is None:
            await context.abort(StatusCode.UNIMPLEMENTED, "Method not implemented!")
        return answer_to_wire(self.answer)

    async def read_small_file(
        self, request: pb.ReadSmallFileRequest, context: Context
    ) -> pb.ReadSmallFileResponse:
        await self._enter(context)
        if request.url not in self.small_files:
            code, message, trailers = to_grpc(SourceNotFound("It is not there."))
            await context.abort(code, message, trailers)
        return pb.ReadSmallFileResponse(content=self.small_files[request.url])

    async def _enter(self, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        shown = metadata.get("authorization")
        error = self.refusal
        if shown != f"Bearer {self.token}":
            error = Unauthenticated("The control plane shows another join token.")
        if error is not None:
            code, message, trailers = to_grpc(error)
            await context.abort(code, message, trailers)
