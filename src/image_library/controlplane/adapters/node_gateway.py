"""The nodes' image calls over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from grpc import aio
from protobuf.wkt import Empty

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.garbage import GarbageItem, GarbageOrder
from image_library.domain.inventory import Inventory
from image_library.domain.node import Node
from image_library.domain.store import Download, DownloadOrder
from image_library.wire.boot_proof import proof_order_to_wire
from image_library.wire.garbage import garbage_from_wire, garbage_order_to_wire
from image_library.wire.inventory import inventory_from_wire
from image_library.wire.node_daemon import download_from_wire, order_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    AdoptFileRequest,
    CancelDownloadRequest,
    DownloadProgress,
    RemoveImageRequest,
)
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceClient

IDENTIFY_SECONDS = 2
CANCEL_SECONDS = 10
SCAN_SECONDS = 120
# A disk that is ill may be slow to say so.
RESUME_SECONDS = 60
REMOVE_SECONDS = 30
# Blobs that nobody recorded are read whole before anything is done about them.
GARBAGE_SECONDS = 900


class GrpcNodeGateway:
    """Fulfils ``ports.node_gateway.NodeGateway``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def identify(self, endpoint: str) -> str:
        with translated(endpoint):
            info = await self._channels.client(endpoint).get_node_info(
                Empty(), metadata=self._channels.metadata, timeout=IDENTIFY_SECONDS
            )
        return info.node_id

    async def download(self, node: Node, order: DownloadOrder) -> AsyncGenerator[Download]:
        client = self._channels.client(node.agent_endpoint)
        with translated(node.agent_endpoint):
            call = _begun(client, order, self._channels.metadata)
            try:
                async for progress in call:
                    yield download_from_wire(progress, order)
            finally:
                call.cancel()

    async def cancel_download(self, node: Node, job_id: str) -> None:
        with translated(node.agent_endpoint):
            await self._channels.client(node.agent_endpoint).cancel_download(
                CancelDownloadRequest(job_id=job_id),
                metadata=self._channels.metadata,
                timeout=CANCEL_SECONDS,
            )

    async def collect_garbage(self, node: Node, order: GarbageOrder) -> tuple[GarbageItem, ...]:
        with translated(node.agent_endpoint):
            answer = await self._channels.client(node.agent_endpoint).collect_garbage(
                garbage_order_to_wire(order), metadata=self._channels.metadata, timeout=GARBAGE_SECONDS
            )
        return garbage_from_wire(answer.items, node_id=node.id)

    async def resume_store(self, node: Node) -> None:
        with translated(node.agent_endpoint):
            await self._channels.client(node.agent_endpoint).resume_store(
                Empty(), metadata=self._channels.metadata, timeout=RESUME_SECONDS
            )

    async def scan(self, node: Node) -> Inventory:
        with translated(node.agent_endpoint):
            report = await self._channels.client(node.agent_endpoint).scan_images(
                Empty(), metadata=self._channels.metadata, timeout=SCAN_SECONDS
            )
        return inventory_from_wire(report)

    async def remove_image(self, node: Node, digest: str) -> None:
        with translated(node.agent_endpoint):
            await self._channels.client(node.agent_endpoint).remove_image(
                RemoveImageRequest(digest=digest),
                metadata=self._channels.metadata,
                timeout=REMOVE_SECONDS,
            )


def _begun(
    client: NodeDaemonServiceClient, order: DownloadOrder, metadata: tuple[tuple[str, str], ...]
) -> aio.UnaryStreamCall[Any, DownloadProgress]:
    """The job, begun or joined: a download, the adoption of a file that lies there already, or a proof."""
    if order.prove:
        return client.prove_boot(proof_order_to_wire(order, order.prove), metadata=metadata)
    if not order.adopt_path:
        return client.download_image(order_to_wire(order), metadata=metadata)
    file = AdoptFileRequest(job_id=order.job_id, image_id=order.image_id, path=order.adopt_path)
    return client.adopt_file(file, metadata=metadata)
