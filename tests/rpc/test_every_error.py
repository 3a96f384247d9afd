"""Each error of the table, raised behind a real door: its code, words and details as clients get them."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from connectrpc.request import RequestContext

from image_library.controlplane.handlers.interceptors import Errors
from image_library.controlplane.handlers.server import serving
from image_library.controlplane.handlers.web import answered_hosts, web_application
from image_library.controlplane.handlers.web_files import WebFiles
from image_library.domain.errors import Kind, LibraryError, all_errors
from limiquantix.errors.google.rpc.error_details_pb import BadRequest, ErrorInfo
from limiquantix.storage.v1 import image_connect
from limiquantix.storage.v1 import image_pb as pb
from tests.rpc.conftest import IMAGES
from tests.support.rpc import RpcError, rpc, rpc_stream

# Connect's codes and HTTP statuses. Source: https://connectrpc.com/docs/protocol#error-codes
ANSWERS = {
    Kind.INVALID: ("invalid_argument", 400),
    Kind.NOT_FOUND: ("not_found", 404),
    Kind.EXISTS: ("already_exists", 409),
    Kind.PRECONDITION: ("failed_precondition", 400),
    Kind.EXHAUSTED: ("resource_exhausted", 429),
    Kind.UNAUTHENTICATED: ("unauthenticated", 401),
    Kind.DENIED: ("permission_denied", 403),
    Kind.UNAVAILABLE: ("unavailable", 503),
    Kind.DATA_LOSS: ("data_loss", 500),
    Kind.CANCELLED: ("canceled", 499),
    Kind.ABORTED: ("aborted", 409),
    Kind.UNIMPLEMENTED: ("unimplemented", 501),
    Kind.INTERNAL: ("internal", 500),
}
ERRORS = {error.__name__: error for error in all_errors()}
Context = RequestContext[Any, Any]


class Refusing(image_connect.ImageService):
    """Raises the error that its caller names."""

    async def get_image(self, request: pb.GetImageRequest, ctx: Context, /) -> pb.Image:
        raise _named(request.id)

    async def watch_import(
        self, request: pb.GetImportStatusRequest, ctx: Context, /
    ) -> AsyncIterator[pb.ImportStatus]:
        yield pb.ImportStatus(job_id="first")
        raise _named(request.job_id)


def _named(name: str) -> LibraryError:
    return ERRORS[name]("The disk 'ä' is odd.", field="image")


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        application = image_connect.ImageServiceASGIApplication(Refusing(), interceptors=(Errors(),))
        web = web_application([application], hosts=answered_hosts("127.0.0.1", ()), pages=WebFiles())
        async with serving(web, sock, tls_cert=None, tls_key=None):
            yield f"http://127.0.0.1:{port}"


def details(error: RpcError) -> dict[str, bytes]:
    return {d["type"]: base64.b64decode(d["value"] + "==") for d in error.details}


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_reaches_its_caller_whole(url: str, name: str) -> None:
    kind = ERRORS[name]
    with pytest.raises(RpcError) as refused:
        await asyncio.to_thread(rpc, url, f"{IMAGES}/GetImage", {"id": name})
    error = refused.value
    assert (error.code, error.status) == ANSWERS[kind.kind]
    assert error.message == f"The disk 'ä' is odd. {kind.remedy_default}"
    packed = details(error)
    info = ErrorInfo.from_binary(packed["google.rpc.ErrorInfo"])
    assert (info.domain, info.reason) == ("limiquantix.io", kind.code.replace(".", "_").upper())
    bad = packed.get("google.rpc.BadRequest")
    assert (bad is not None) == (kind.kind is Kind.INVALID)
    if bad is not None:
        [violation] = BadRequest.from_binary(bad).field_violations
        assert (violation.field, violation.description) == ("image", "The disk 'ä' is odd.")


@pytest.mark.parametrize("kind", Kind)
async def test_a_stream_ends_with_the_error_after_what_was_said(url: str, kind: Kind) -> None:
    name = next(name for name, error in ERRORS.items() if error.kind is kind)

    def said() -> list[str]:
        heard: list[str] = []
        try:
            for status in rpc_stream(url, f"{IMAGES}/WatchImport", {"jobId": name}):
                heard.append(status["jobId"])
        except RpcError as error:
            heard.append(error.code)
        return heard

    assert await asyncio.to_thread(said) == ["first", ANSWERS[kind][0]]
