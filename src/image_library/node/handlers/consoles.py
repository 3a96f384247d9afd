"""The calls by which people sit at a guest's console, or look at its screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext
from protobuf.wkt import Empty

from image_library.domain.console import ConsoleKind
from image_library.domain.secret import Secret
from image_library.node.services.consoles import Consoles
from image_library.node.services.displays import Displays
from image_library.wire.consoles import kind_from_wire
from limiquantix.node.v1.node_daemon_pb import ConsoleInput, ConsoleOutput, ScreenshotOnNode, VMIdRequest

Context = ServicerContext[Any, Any]


class ConsoleCalls:
    def __init__(self, *, consoles: Consoles, displays: Displays) -> None:
        self._consoles = consoles
        self._displays = displays

    async def attach_console(
        self, request_iterator: AsyncIterator[ConsoleInput], context: Context
    ) -> AsyncIterator[ConsoleOutput]:
        messages = aiter(request_iterator)
        first, typed = await anext(messages, ConsoleInput()), _typed(messages)
        if kind_from_wire(first) is ConsoleKind.DISPLAY:
            written = self._displays.attach(first.vm_id, Secret(first.password), typed)
        else:
            written = self._consoles.attach(first.vm_id, typed)
        async with aclosing(written):
            async for data in written:
                yield ConsoleOutput(data=data)

    async def check_display(self, request: VMIdRequest, context: Context) -> Empty:
        await self._displays.require(request.vm_id)
        return Empty()

    async def take_screenshot(self, request: VMIdRequest, context: Context) -> ScreenshotOnNode:
        shown = await self._displays.picture(request.vm_id)
        return ScreenshotOnNode(data=shown.data, width=shown.width, height=shown.height)


async def _typed(messages: AsyncIterator[ConsoleInput]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message.data
