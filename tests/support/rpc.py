"""Connect's JSON protocol in a page, so that the RPC doors are tried by something that is not our own client.

Source: https://connectrpc.com/docs/protocol (unary requests, server streams, errors).
"""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
_ENVELOPE = struct.Struct(">BI")
_COMPRESSED, _LAST = 0x01, 0x02


@dataclass
class RpcError(Exception):
    """An error answer: HTTP status, Connect code such as "not_found", message, details as sent."""

    status: int
    code: str
    message: str
    details: list[Json] = field(default_factory=list[Json])

    def __str__(self) -> str:
        return f"{self.code} (HTTP {self.status}): {self.message}"


def rpc(
    url: str,
    method: str,
    message: Json | None = None,
    *,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Json:
    """Call "package.Service/Method" and return its answer as JSON. Raises RpcError."""
    body = json.dumps(message or {}).encode()
    with closing(_connect(url, timeout)) as connection:
        connection.request("POST", f"/{method}", body, _headers("application/json", token, headers))
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise error_of(response.status, text)
        return json.loads(text)


def rpc_stream(
    url: str,
    method: str,
    message: Json | None = None,
    *,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Iterator[Json]:
    """The messages of a server stream as they come; "timeout" is the longest silence. Raises RpcError."""
    body = envelope(json.dumps(message or {}).encode())
    with closing(_connect(url, timeout)) as connection:
        connection.request("POST", f"/{method}", body, _headers("application/connect+json", token, headers))
        response = connection.getresponse()
        if response.status != 200:
            raise error_of(response.status, response.read())
        yield from messages_of(response.read)


def envelope(data: bytes, *, flags: int = 0) -> bytes:
    return _ENVELOPE.pack(flags, len(data)) + data


def messages_of(read: Callable[[int], bytes]) -> Iterator[Json]:
    """Take a stream's body apart. Raises RpcError as the last envelope says, or when there is no last one."""
    while True:
        flags, length = _ENVELOPE.unpack(_exactly(read, _ENVELOPE.size))
        data = _exactly(read, length)
        if flags & _COMPRESSED:
            raise RpcError(200, "internal", "the server compressed a message without being asked")
        if flags & _LAST:
            ending = json.loads(data or b"{}")
            if "error" in ending:
                raise error_of(200, json.dumps(ending["error"]).encode())
            return
        yield json.loads(data)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = read(count - len(data))
        if not more:
            raise RpcError(200, "unavailable", f"the stream ended {count - len(data)} bytes early")
        data += more
    return data


def error_of(status: int, text: bytes) -> RpcError:
    """The error in a body. A body that is no Connect error is kept as the message, its code "unknown"."""
    try:
        said = json.loads(text)
        return RpcError(status, said["code"], said.get("message", ""), said.get("details", []))
    except (ValueError, KeyError, AttributeError, TypeError):
        return RpcError(status, "unknown", text.decode(errors="replace"))


def _connect(url: str, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def _headers(content_type: str, token: str, more: Mapping[str, str] | None) -> dict[str, str]:
    chosen = {"Content-Type": content_type, "Connect-Protocol-Version": "1"}
    if token:
        chosen["Authorization"] = f"Bearer {token}"
    return chosen | dict(more or {})
