"""Idempotency keys: a unary interceptor that lets a call with a key happen once."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from connectrpc.request import RequestContext
from protobuf import Message

from image_library.controlplane.services.repeated_calls import RepeatedCalls
from image_library.domain.errors import Kind, LibraryError
from image_library.wire.keys import HEADER, changes_something

Q = TypeVar("Q")
S = TypeVar("S")
Context = RequestContext[Any, Any]
# How the names of fields end that hold them.
_SECRETS = ("password", "secretparameters")


def key_of(ctx: Context) -> str:
    """The caller's key; empty where there is none."""
    return ctx.request_headers.get(HEADER) or ""


class Once:
    """Stands inside ``Undivided``: a call whose caller has left still keeps its answer."""

    def __init__(self, calls: RepeatedCalls) -> None:
        self._calls = calls

    async def intercept_unary(
        self, call_next: Callable[[Q, Context], Awaitable[S]], request: Q, ctx: Context, /
    ) -> S:
        key, rpc = ctx.request_headers.get(HEADER), ctx.method.name
        if key is None or not changes_something(rpc):
            return await call_next(request, ctx)

        async def do(again: bool) -> str:
            return _packed(await _done(call_next, request, ctx, again=again))

        name = f"{ctx.method.service_name}/{rpc}"
        answer = await self._calls.once(key=key, rpc=name, request_digest=_digest(request), do=do)
        return ctx.method.output.from_binary(base64.b64decode(answer))


async def _done(
    call_next: Callable[[Q, Context], Awaitable[S]], request: Q, ctx: Context, *, again: bool
) -> S:
    try:
        return await call_next(request, ctx)
    except LibraryError as error:
        # A deletion whose answer was lost: what is not there any more, it has removed.
        if again and ctx.method.name.startswith("Delete") and error.kind is Kind.NOT_FOUND:
            return cast("S", ctx.method.output())
        raise


def _packed(answer: object) -> str:
    return base64.b64encode(cast("Message", answer).to_binary()).decode()


def _digest(request: object) -> str:
    """The same for requests that say the same, in whatever order their maps were sent.

    Passwords and secret parameters are left out: from a quick digest that is kept one could guess them.
    """
    said = json.loads(cast("Message", request).to_json(), object_pairs_hook=_without_passwords)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _without_passwords(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if not name.lower().endswith(_SECRETS)}
