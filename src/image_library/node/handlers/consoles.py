"""The call by which people sit at a guest's console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from image_library.node.services.consoles import Consoles
from image_library.wire.consoles import kind_from_wire
from limiquantix.node.v1.node_daemon_pb import ConsoleInput, ConsoleOutput

Context = ServicerContext[Any, Any]


class ConsoleCalls:
    def __init__(self, *, consoles: Consoles) -> None:
        self._consoles = consoles

    async def attach_console(
        self, request_iterator: AsyncIterator[ConsoleInput], context: Context
    ) -> AsyncIterator[ConsoleOutput]:
        messages = aiter(request_iterator)
        first = await anext(messages, ConsoleInput())
        written = self._consoles.attach(first.vm_id, kind_from_wire(first), _typed(messages))
        async with aclosing(written):
            async for data in written:
                yield ConsoleOutput(data=data)


async def _typed(messages: AsyncIterator[ConsoleInput]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message.data
