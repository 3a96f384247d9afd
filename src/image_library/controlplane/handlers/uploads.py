"""Resumable uploads over HTTP: the tus protocol 1.0 at /uploads/, beside the RPCs.

Source: https://tus.io/protocols/resumable-upload (core, creation, creation-with-upload, checksum,
termination, expiration).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from email.utils import format_datetime
from enum import Enum
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from image_library.controlplane.handlers.error_body import error_response
from image_library.controlplane.handlers.http_access import STATUSES, HttpAccess
from image_library.controlplane.handlers.upload_checksum import ALGORITHMS, checked
from image_library.controlplane.services.upload_plan import UploadWish
from image_library.controlplane.services.uploads import Upload, Uploads
from image_library.domain.errors import (
    LibraryError,
    UnknownUpload,
    UploadBusy,
    UploadDamaged,
    UploadOffset,
    UploadRefused,
    UploadTooLarge,
    printable,
)
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod

E = TypeVar("E", bound=Enum)
VERSION = "1.0.0"
PATH = "/uploads/"
BYTES = "application/offset+octet-stream"
# A sender that is silent for longer is taken for gone; what it sent is kept.
SILENCE_SECONDS = 60.0
_EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
_STATUSES: dict[type[LibraryError], int] = {
    UnknownUpload: 404,
    UploadOffset: 409,
    UploadTooLarge: 413,
    UploadBusy: 423,
    UploadDamaged: 460,
}
# The protocol's own answers to headers that cannot be used.
_FIELDS = {"Tus-Resumable": 412, "Content-Type": 415}
Answer = Callable[[Request], Awaitable[Response]]


class UploadHandlers:
    """Routes to be mounted in the web application."""

    def __init__(self, uploads: Uploads, access: HttpAccess, *, largest_bytes: int) -> None:
        self._uploads = uploads
        self._access = access
        self._largest = largest_bytes

    def routes(self) -> list[Route]:
        one = {"OPTIONS": self._describe, "HEAD": self._offset, "PATCH": self._append, "DELETE": self._end}
        every = {"OPTIONS": self._describe, "POST": self._create}
        return [
            Route(PATH, self._answering(every), methods=[*every]),
            # What cannot send PATCH or DELETE sends POST and says so in a header.
            Route(PATH + "{upload_id}", self._answering(one), methods=[*one, "POST"]),
        ]

    def _answering(self, answers: Mapping[str, Answer]) -> Answer:
        async def answer(request: Request) -> Response:
            method = request.headers.get("x-http-method-override", request.method).upper()
            try:
                self._judge(request, method, answers)
                response = await answers[method](request)
            except LibraryError as error:
                response = error_response(error, _status(error))
            response.headers["Tus-Resumable"] = VERSION
            response.headers["Cache-Control"] = "no-store"
            return response

        return answer

    def _judge(self, request: Request, method: str, answers: Mapping[str, Answer]) -> None:
        self._access.require_operator(request.headers)
        if method not in answers:
            raise UploadRefused(f"{printable(method)} is not answered here.")
        if method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
            raise UploadRefused(f"This server speaks tus {VERSION}.", field="Tus-Resumable")

    async def _describe(self, request: Request) -> Response:
        told = {
            "Tus-Version": VERSION,
            "Tus-Extension": _EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        limit = {"Tus-Max-Size": str(self._largest)} if self._largest else {}
        return Response(status_code=204, headers=told | limit)

    async def _create(self, request: Request) -> Response:
        upload = await self._uploads.create(_wish(request))
        if request.headers.get("content-type") == BYTES:
            upload = await self._written(request, upload.id, 0)
        headers = {"Location": PATH + upload.id, "Upload-Image": upload.image_id}
        return Response(status_code=201, headers=headers | _state(upload))

    async def _offset(self, request: Request) -> Response:
        upload = await self._uploads.find(request.path_params["upload_id"])
        return Response(headers={"Upload-Length": str(upload.size)} | _state(upload))

    async def _append(self, request: Request) -> Response:
        if request.headers.get("content-type") != BYTES:
            raise UploadRefused(f"The bytes of an upload are sent as {BYTES}.", field="Content-Type")
        offset = _number(request, "Upload-Offset")
        upload = await self._written(request, request.path_params["upload_id"], offset)
        return Response(status_code=204, headers=_state(upload))

    async def _written(self, request: Request, upload_id: str, offset: int) -> Upload:
        wanted = request.headers.get("upload-checksum", "")
        if not wanted:
            return await self._uploads.write(upload_id, offset=offset, blocks=received(request))
        async with checked(received(request), wanted) as blocks:
            return await self._uploads.write(upload_id, offset=offset, blocks=blocks)

    async def _end(self, request: Request) -> Response:
        await self._uploads.abort(request.path_params["upload_id"])
        return Response(status_code=204)


async def received(request: Request) -> AsyncGenerator[bytes]:
    """The body as it comes; it simply ends where its sender breaks off or falls silent."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                block = await anext(stream)
        except (ClientDisconnect, StopAsyncIteration, TimeoutError):
            return
        if block:
            yield block


def _status(error: LibraryError) -> int:
    return _FIELDS.get(error.field) or _STATUSES.get(type(error)) or STATUSES.get(error.kind, 500)


def _state(upload: Upload) -> dict[str, str]:
    state = {"Upload-Offset": str(upload.offset)}
    if not upload.whole:
        state["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return state


# Keys of the metadata and the wish's fields.
_SAID = {
    **{name: name for name in ("filename", "name", "image_id", "project_id", "description", "format")},
    **{name: name for name in ("target_format", "target_compression")},
    **{"checksum": "checksum", "transfer_checksum": "transfer_checksum", "node_id": "node"},
}
# The same of what is said of the operating system.
_OS = {
    **{f"os_{name}": name for name in ("distribution", "version", "architecture")},
    "os_user": "default_user",
}


def _wish(request: Request) -> UploadWish:
    said = metadata(request.headers.get("upload-metadata", ""))
    labels = {key[6:]: value for key, value in said.items() if key.startswith("label.")}
    fields: dict[str, Any] = {_SAID[key]: value for key, value in said.items() if key in _SAID}
    return UploadWish(size=_number(request, "Upload-Length"), labels=labels, os=_os(said), **fields)


def _os(said: Mapping[str, str]) -> OsInfo:
    words = {_OS[key]: value for key, value in said.items() if key in _OS}
    kinds: dict[str, Any] = {
        "family": _kind(OsFamily, said.get("os_family", ""), "os_family"),
        "provisioning_method": _kind(ProvisioningMethod, said.get("os_provisioning", ""), "os_provisioning"),
    }
    return OsInfo(**words, **kinds)


def _kind(kinds: type[E], word: str, key: str) -> E:
    known = {kind.value: kind for kind in kinds}
    wanted = word.lower().replace("_", "-") or "unknown"
    if wanted not in known:
        raise UploadRefused(
            f"'{printable(word)}' is no {key}.", remedy=f"Use {', '.join(known)}.", field="Upload-Metadata"
        )
    return known[wanted]


def metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: pairs of a key and a Base64 value, with commas between them.

    Raises:
        UploadRefused: it is not that, or a value is no text.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in header.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            found[key] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            message = f"The value of '{printable(key)}' is not text in Base64."
            raise UploadRefused(message, field="Upload-Metadata") from None
    return found


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UploadRefused(f"{header} is '{printable(text)}', which is no size in bytes.", field=header)
    return int(text)
