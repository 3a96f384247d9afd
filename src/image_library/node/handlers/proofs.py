"""The proof calls of NodeDaemonService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from image_library.node.services.prove_boot import BootProofs
from image_library.wire.boot_proof import proof_order_from_wire
from image_library.wire.node_daemon import download_to_wire
from limiquantix.node.v1.node_daemon_pb import DownloadProgress, ProveBootRequest

Context = ServicerContext[Any, Any]


class ProofCalls:
    def __init__(self, *, proofs: BootProofs, architecture: str) -> None:
        self._proofs = proofs
        self._own_architecture = architecture

    async def prove_boot(
        self, request: ProveBootRequest, context: Context
    ) -> AsyncIterator[DownloadProgress]:
        self._proofs.start(proof_order_from_wire(request, architecture=self._own_architecture))
        async with aclosing(self._proofs.follow(request.job_id)) as followed:
            async for download in followed:
                yield download_to_wire(download)
