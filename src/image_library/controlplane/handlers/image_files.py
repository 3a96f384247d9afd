"""Images as files over plain HTTP, with ranges: for people who export them, and for nodes that copy them.

Source: RFC 9110, sections 13 and 14 (conditional and range requests), RFC 9530 (Repr-Digest).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from image_library.controlplane.handlers.byte_ranges import Span, asked_span
from image_library.controlplane.handlers.error_body import error_response
from image_library.controlplane.handlers.http_access import STATUSES, HttpAccess
from image_library.controlplane.services.image_bytes import ImageBytes, ImageFile
from image_library.domain.checksum import parse_digest
from image_library.domain.errors import InvalidRequest, LibraryError

Find = Callable[[Request], Awaitable[ImageFile]]


class ImageFiles:
    """Routes to be mounted in the web application."""

    def __init__(self, images: ImageBytes, access: HttpAccess) -> None:
        self._images = images
        self._access = access

    def routes(self) -> list[Route]:
        methods = ["GET", "HEAD"]
        return [
            Route("/images/{name}/file", self._answering(self._named), methods=methods),
            Route("/blobs/sha256/{hex}", self._answering(self._with_digest), methods=methods),
        ]

    def _answering(self, find: Find) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return self._response(request, await find(request))
            except LibraryError as error:
                return error_response(error, STATUSES.get(error.kind, 500))

        return answer

    async def _named(self, request: Request) -> ImageFile:
        self._access.require_operator(request.headers)
        return await self._images.find(request.path_params["name"])

    async def _with_digest(self, request: Request) -> ImageFile:
        self._access.require_known(request.headers)
        digest = parse_digest(request.path_params["hex"], algorithm="sha256")
        file = await self._images.with_digest(str(digest))
        # Asked so by a node that got wrong bytes: another holder begins.
        again = "no-cache" in request.headers.get("cache-control", "")
        return replace(file, holders=file.holders[::-1]) if again else file

    def _response(self, request: Request, file: ImageFile) -> Response:
        span = asked_span(request.headers, size=file.size, etag=_etag(file))
        if span is None:
            return _outside(file)
        headers = _headers(file) | _span_headers(file, span)
        status = 206 if span.part else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return StreamingResponse(self._bytes(file, span), status_code=status, headers=headers)

    async def _bytes(self, file: ImageFile, span: Span) -> AsyncGenerator[bytes]:
        async for block in self._images.read(file, start=span.start, stop=span.stop):
            yield block


def _outside(file: ImageFile) -> Response:
    error = InvalidRequest(f"{file.filename} has {file.size} bytes.", field="Range")
    refusal = error_response(error, 416)
    refusal.headers["Content-Range"] = f"bytes */{file.size}"
    return refusal


def _span_headers(file: ImageFile, span: Span) -> dict[str, str]:
    headers = {"Content-Length": str(span.stop - span.start)}
    part = {"Content-Range": f"bytes {span.start}-{span.stop - 1}/{file.size}"} if span.part else {}
    return headers | part


def _etag(file: ImageFile) -> str:
    return f'"{file.digest}"'


def _headers(file: ImageFile) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(file.digest.removeprefix("sha256:"))).decode()
    return {
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        # Names have no character that would need quoting.
        "Content-Disposition": f'attachment; filename="{file.filename}"',
        "ETag": _etag(file),
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
