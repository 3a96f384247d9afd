"""The calls of NodeDaemonService that bring small files: AskPublisher, ReadSmallFile."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from image_library.node.services.ask_publisher import AskPublisher
from image_library.wire.publisher import answer_to_wire, question_from_wire, small_file_from_wire
from limiquantix.node.v1.node_daemon_pb import (
    AskPublisherRequest,
    AskPublisherResponse,
    ReadSmallFileRequest,
    ReadSmallFileResponse,
)

Context = ServicerContext[Any, Any]


class PublisherCalls:
    def __init__(self, *, publishers: AskPublisher) -> None:
        self._publishers = publishers

    async def read_small_file(self, request: ReadSmallFileRequest, context: Context) -> ReadSmallFileResponse:
        url, limit = small_file_from_wire(request)
        return ReadSmallFileResponse(content=await self._publishers.read(url, limit=limit))

    async def ask_publisher(self, request: AskPublisherRequest, context: Context) -> AskPublisherResponse:
        return answer_to_wire(await self._publishers.latest(question_from_wire(request)))
