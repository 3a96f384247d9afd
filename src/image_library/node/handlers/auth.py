"""What every call passes: the join token is checked, and each error becomes a code and a sentence."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from grpc import aio

from image_library.domain.errors import Internal, LibraryError, NotImplementedYet, Unauthenticated
from image_library.wire.errors import to_grpc

log = structlog.get_logger()

if TYPE_CHECKING:
    # Generic in the type stubs only.
    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]
    Context = aio.ServicerContext[Any, Any]


class CallGuard(aio.ServerInterceptor):
    def __init__(self, join_token: str) -> None:
        self._expected = f"Bearer {join_token}".encode()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        handler = await continuation(handler_call_details)
        known = self._is_known(handler_call_details)
        method = str(handler_call_details.method)
        if handler and handler.stream_stream:
            return _talking(handler, known=known, method=method)
        if handler and handler.unary_stream:
            return _streaming(handler, known=known, method=method)
        if handler and handler.stream_unary:
            return _collecting(handler, known=known, method=method)
        return _single(handler, known=known, method=method) if handler else handler

    def _is_known(self, details: grpc.HandlerCallDetails) -> bool:
        given = dict(details.invocation_metadata).get("authorization", "")
        text = given if isinstance(given, bytes) else given.encode()
        return hmac.compare_digest(text, self._expected)


def _single(handler: Any, *, known: bool, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    async def call(request: Any, context: Context) -> Any:
        try:
            _require(known=known)
            return await handler.unary_unary(request, context)
        except Exception as error:
            await _abort(context, error, method)

    return grpc.unary_unary_rpc_method_handler(
        call, handler.request_deserializer, handler.response_serializer
    )


def _streaming(handler: Any, *, known: bool, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            _require(known=known)
            async for message in handler.unary_stream(request, context):
                yield message
        except Exception as error:
            await _abort(context, error, method)

    return grpc.unary_stream_rpc_method_handler(
        call, handler.request_deserializer, handler.response_serializer
    )


def _talking(handler: Any, *, known: bool, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    async def call(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        try:
            _require(known=known)
            async for message in handler.stream_stream(requests, context):
                yield message
        except Exception as error:
            await _abort(context, error, method)

    return grpc.stream_stream_rpc_method_handler(
        call, handler.request_deserializer, handler.response_serializer
    )


def _collecting(handler: Any, *, known: bool, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    async def call(requests: AsyncIterator[Any], context: Context) -> Any:
        try:
            _require(known=known)
            return await handler.stream_unary(requests, context)
        except Exception as error:
            await _abort(context, error, method)

    return grpc.stream_unary_rpc_method_handler(
        call, handler.request_deserializer, handler.response_serializer
    )


def _require(*, known: bool) -> None:
    if not known:
        remedy = "Control plane and node need the same join token."
        raise Unauthenticated("The call carries no valid join token.", remedy=remedy)


async def _abort(context: Context, error: Exception, method: str) -> None:
    """End the call with what ``error`` means; what was not foreseen is told to the log only."""
    if isinstance(error, aio.AbortError):
        raise error
    code, message, metadata = to_grpc(_meaning(error, method))
    await context.abort(code, message, metadata)


def _meaning(error: Exception, method: str) -> LibraryError:
    if isinstance(error, LibraryError):
        return error
    if isinstance(error, NotImplementedError):
        return NotImplementedYet(f"This node does not answer {method.rsplit('/', 1)[-1]}.")
    request = uuid.uuid4().hex[:12]
    log.error("call_broke", method=method, request=request, exc_info=error)
    return Internal(f"The node failed unexpectedly (request {request}).")
