"""Sending a call again when its connection broke: under the same key, so that it happens once."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from image_library.domain.errors import ServerUnreachable

Q = TypeVar("Q")
R = TypeVar("R")

# A restarted server is back after some seconds.
PAUSES = (0.5, 1.0, 2.0, 4.0)
_BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.HTTPException)


@dataclass(frozen=True, kw_only=True)
class Repeating:
    """A client interceptor, outside ``OurErrors``. A server that was never there is not waited for."""

    sleep: Callable[[float], None] = time.sleep
    new_key: Callable[[], str] = lambda: uuid.uuid4().hex

    def intercept_unary_sync(self, call_next: Callable[[Q, Any], R], request: Q, ctx: Any, /) -> R:
        from image_library.wire.keys import HEADER, changes_something

        if not changes_something(ctx.method.name):
            return call_next(request, ctx)
        ctx.request_headers[HEADER] = self.new_key()
        try:
            return call_next(request, ctx)
        except ServerUnreachable as error:
            if not _broke(error):
                raise
        return self._again(lambda: call_next(request, ctx))

    def _again(self, call: Callable[[], R]) -> R:
        for pause in PAUSES[:-1]:
            self.sleep(pause)
            try:
                return call()
            except ServerUnreachable:
                continue
        self.sleep(PAUSES[-1])
        return call()


def _broke(error: BaseException) -> bool:
    """Whether the server was there, and the connection to it was lost before its answer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _BROKEN):
            return True
        cause = cause.__cause__
    return False
