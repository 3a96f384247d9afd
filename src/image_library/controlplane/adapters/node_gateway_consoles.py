"""The nodes' consoles over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.console import ConsoleKind
from image_library.domain.node import Node
from image_library.wire.consoles import first_input
from limiquantix.node.v1.node_daemon_pb import ConsoleInput


class GrpcNodeConsoles:
    """Fulfils ``ports.consoles.NodeConsoles``. Flow control on both ways is gRPC's own."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def attach(
        self, node: Node, vm_id: str, kind: ConsoleKind, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            call = client.attach_console(_messages(vm_id, kind, typed), metadata=metadata)
            try:
                async for message in call:
                    yield message.data
            finally:
                call.cancel()


async def _messages(
    vm_id: str, kind: ConsoleKind, typed: AsyncIterator[bytes]
) -> AsyncIterator[ConsoleInput]:
    yield first_input(vm_id, kind)
    async for data in typed:
        yield ConsoleInput(data=data)
