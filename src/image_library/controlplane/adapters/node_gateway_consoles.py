"""The nodes' consoles over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.domain.console import Admission
from image_library.domain.node import Node
from image_library.domain.picture import Picture
from image_library.wire.consoles import first_input
from limiquantix.node.v1.node_daemon_pb import ConsoleInput, VMIdRequest

CHECK_SECONDS = 10
# A large picture of a busy guest takes a moment.
SCREENSHOT_SECONDS = 30


class GrpcNodeConsoles:
    """Fulfils ``ports.consoles.NodeConsoles``. Flow control on both ways is gRPC's own."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def attach(
        self, node: Node, vm_id: str, admission: Admission, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            call = client.attach_console(_messages(vm_id, admission, typed), metadata=metadata)
            try:
                async for message in call:
                    yield message.data
            finally:
                call.cancel()

    async def check_display(self, node: Node, vm_id: str) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.check_display(VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=CHECK_SECONDS)

    async def screenshot(self, node: Node, vm_id: str) -> Picture:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            shown = await client.take_screenshot(
                VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=SCREENSHOT_SECONDS
            )
        return Picture(data=shown.data, width=shown.width, height=shown.height)


async def _messages(
    vm_id: str, admission: Admission, typed: AsyncIterator[bytes]
) -> AsyncIterator[ConsoleInput]:
    yield first_input(vm_id, admission)
    async for data in typed:
        yield ConsoleInput(data=data)
