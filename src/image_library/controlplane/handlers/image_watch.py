"""WatchLibrary: one stream of all that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext

from image_library.controlplane.handlers.image_messages import ImageMessages
from image_library.controlplane.handlers.image_services import ImageServices
from image_library.controlplane.services.library_watch import USUAL_KINDS
from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.library_change import ItemKind
from image_library.wire.library_change import change_to_wire
from limiquantix.storage.v1 import image_pb as pb

Context = RequestContext[Any, Any]
_KINDS = {kind.value: kind for kind in ItemKind}


class WatchHandlers:
    _services: ImageServices
    _messages: ImageMessages

    async def watch_library(
        self, request: pb.WatchLibraryRequest, ctx: Context, /
    ) -> AsyncIterator[pb.LibraryChange]:
        kinds = frozenset(_kind(word) for word in request.kinds) or USUAL_KINDS
        async with aclosing(self._services.watch.watch(request.since_sequence, kinds)) as stream:
            async for said in stream:
                yield change_to_wire(said.sequence, said.what, self._messages.of)


def _kind(word: str) -> ItemKind:
    if word not in _KINDS:
        raise InvalidRequest(f"'{printable(word)}' is none of {', '.join(_KINDS)}.", field="kinds")
    return _KINDS[word]
