"""What surrounds every RPC: no unexpected text gets out, and no change is broken off half-way."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from image_library.domain.errors import (
    Internal,
    InvalidRequest,
    LibraryError,
    NotImplementedYet,
    RequestTooLarge,
    printable,
)
from image_library.wire.errors import from_connect, to_connect

log = structlog.get_logger()
Q = TypeVar("Q")
S = TypeVar("S")
Context = RequestContext[Any, Any]

# How the framework begins and ends what it says of a message that it cannot read.
_READING = re.compile("(unmarshal message|protocol error|decompress): ")
_FIELD = re.compile(r" for field ([A-Za-z0-9_.]+)$")
_TYPE = re.compile(r"<class '(\w+)'>")
_NOT_THERE = "Not implemented"


class Errors:
    """A metadata interceptor, the outermost: it sees the errors of every kind of RPC, and of decoding."""

    async def on_start(self, ctx: Context) -> None:
        """Nothing to prepare."""

    async def on_end(self, token: None, ctx: Context, error: Exception | None, /) -> None:
        if error is not None:
            raise _presentable(error, ctx) from error


def _presentable(error: Exception, ctx: Context) -> ConnectError:
    if isinstance(error, LibraryError):
        return to_connect(error)
    if not isinstance(error, ConnectError):
        return to_connect(_unexpected(error, ctx))
    ours = None if from_connect(error) else _ours(error, ctx)
    return to_connect(ours) if ours else error


def _ours(error: ConnectError, ctx: Context) -> LibraryError | None:
    """The error of ours for what the framework itself raises; None where there is none."""
    said = printable(error.message, 300)
    if error.code is Code.UNIMPLEMENTED:
        if error.message == _NOT_THERE:
            return NotImplementedYet(f"{ctx.method.name} is not answered by this version.")
        return NotImplementedYet(f"The request cannot be read: {said}.", remedy="Send it in another form.")
    if error.code is Code.RESOURCE_EXHAUSTED:
        return RequestTooLarge(f"The {said}.")
    return _unreadable(said) if error.code is Code.INVALID_ARGUMENT else None


def _unreadable(said: str) -> InvalidRequest:
    found = _FIELD.search(said)
    field = found[1].rpartition(".")[2] if found else ""
    reason = _TYPE.sub(r"\1", _FIELD.sub("", _READING.sub("", said)))
    where = f" in {field}" if field else ""
    remedy = "" if field else "Correct the request and try again."
    return InvalidRequest(f"The request cannot be read: {reason}{where}.", remedy=remedy, field=field)


def _unexpected(error: Exception, ctx: Context) -> Internal:
    """The caller gets a number to quote; what happened stays in the log."""
    request_id = uuid.uuid4().hex[:12]
    log.error("rpc_failed", rpc=ctx.method.name, request_id=request_id, exc_info=error)
    return Internal(f"{ctx.method.name} failed (request {request_id}).")


class Undivided:
    """A unary interceptor: a call that has begun goes on to its end when its caller leaves."""

    def __init__(self) -> None:
        self._calls: set[asyncio.Task[Any]] = set()

    async def intercept_unary(
        self, call_next: Callable[[Q, Context], Awaitable[S]], request: Q, ctx: Context, /
    ) -> S:
        async def call() -> S:
            return await call_next(request, ctx)

        task = asyncio.create_task(call())
        self._calls.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        # Asking for the exception keeps asyncio from reporting one whose caller has left.
        if not task.cancelled() and task.exception() is not None:
            log.debug("rpc_ended_with_error", error=type(task.exception()).__name__)

    async def close(self) -> None:
        """End the calls that are still going on."""
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
