"""The one table from errors to RPC codes, and errors as Connect and gRPC carry them, both ways.

Every error travels as a code, a message "SENTENCE REMEDY", and google.rpc details: ErrorInfo (domain
limiquantix.io, the code in capitals as reason) and, for bad input, BadRequest with the field.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import grpc
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf import Message
from protobuf.wkt import Any

from image_library.domain import errors
from image_library.domain.errors import Kind, LibraryError
from limiquantix.errors.google.rpc.error_details_pb import BadRequest, ErrorInfo
from limiquantix.errors.google.rpc.status_pb import Status

DOMAIN = "limiquantix.io"
STATUS_DETAILS = "grpc-status-details-bin"

CODES: dict[Kind, tuple[Code, grpc.StatusCode]] = {
    Kind.INVALID: (Code.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    Kind.NOT_FOUND: (Code.NOT_FOUND, grpc.StatusCode.NOT_FOUND),
    Kind.EXISTS: (Code.ALREADY_EXISTS, grpc.StatusCode.ALREADY_EXISTS),
    Kind.PRECONDITION: (Code.FAILED_PRECONDITION, grpc.StatusCode.FAILED_PRECONDITION),
    Kind.EXHAUSTED: (Code.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    Kind.UNAUTHENTICATED: (Code.UNAUTHENTICATED, grpc.StatusCode.UNAUTHENTICATED),
    Kind.DENIED: (Code.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
    Kind.UNAVAILABLE: (Code.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
    Kind.DATA_LOSS: (Code.DATA_LOSS, grpc.StatusCode.DATA_LOSS),
    Kind.CANCELLED: (Code.CANCELED, grpc.StatusCode.CANCELLED),
    Kind.ABORTED: (Code.ABORTED, grpc.StatusCode.ABORTED),
    Kind.UNIMPLEMENTED: (Code.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
    Kind.INTERNAL: (Code.INTERNAL, grpc.StatusCode.INTERNAL),
}


def details(error: LibraryError) -> list[Message]:
    """The google.rpc messages that go with an error."""
    facts = {"code": error.code, "sentence": error.message, "remedy": error.remedy, "field": error.field}
    info = ErrorInfo(reason=error.code.replace(".", "_").upper(), domain=DOMAIN, metadata=facts)
    if error.kind is not Kind.INVALID or not error.field:
        return [info]
    violation = BadRequest.FieldViolation(field=error.field, description=error.message)
    return [info, BadRequest(field_violations=[violation])]


def to_connect(error: LibraryError) -> ConnectError:
    return ConnectError(CODES[error.kind][0], str(error), details(error))


def from_connect(error: ConnectError) -> LibraryError | None:
    """Our own error inside ``error``; None where it is another server's or the transport's."""
    for detail in error.details:
        if detail.type_name == "google.rpc.ErrorInfo":
            info = detail.value(ErrorInfo)
            if info is not None:
                return _from_info(info)
    return None


def from_plain(body: bytes) -> LibraryError | None:
    """Our own error inside a plain HTTP answer in Connect's JSON form; None where it is none."""
    try:
        for detail in json.loads(body)["details"]:
            if detail["type"] == "google.rpc.ErrorInfo":
                encoded: str = detail["value"]
                return _from_info(ErrorInfo.from_binary(base64.b64decode(encoded + "==")))
    except (ValueError, KeyError, TypeError):
        return None
    return None


def to_grpc(error: LibraryError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Code, message and trailing metadata for ``context.abort``."""
    code = CODES[error.kind][1]
    number: int = code.value[0]
    status = Status(code=number, message=str(error), details=[Any.pack(m) for m in details(error)])
    return code, str(error), ((STATUS_DETAILS, status.to_binary()),)


def from_grpc(metadata: Iterable[tuple[str, str | bytes]] | None) -> LibraryError | None:
    """Our own error inside a gRPC call's trailing metadata; None where there is none."""
    for key, value in metadata or ():
        if key == STATUS_DETAILS:
            raw = value if isinstance(value, bytes) else base64.b64decode(value + "==")
            for packed in Status.from_binary(raw).details:
                if packed.type_url.endswith("/google.rpc.ErrorInfo"):
                    return _from_info(ErrorInfo.from_binary(packed.value))
    return None


def _from_info(info: ErrorInfo) -> LibraryError:
    facts = info.metadata
    return errors.rebuild(
        facts.get("code", ""),
        facts.get("sentence", ""),
        remedy=facts.get("remedy", ""),
        field=facts.get("field", ""),
    )
