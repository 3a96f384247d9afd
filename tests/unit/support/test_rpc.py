"""The small Connect client takes streams and errors apart as the protocol says."""

from __future__ import annotations

import base64
import io
import json

import pytest

from tests.support.rpc import RpcError, envelope, error_of, messages_of


def stream(*pieces: bytes) -> list[object]:
    return list(messages_of(io.BytesIO(b"".join(pieces)).read))


def test_reads_messages_up_to_the_last_envelope() -> None:
    assert stream(envelope(b'{"a":1}'), envelope(b'{"b":2}'), envelope(b"{}", flags=2)) == [
        {"a": 1},
        {"b": 2},
    ]


def test_puts_split_reads_together() -> None:
    body = io.BytesIO(envelope(b'{"a":1}') + envelope(b"{}", flags=2))
    assert list(messages_of(lambda _: body.read(1))) == [{"a": 1}]


def test_an_error_ends_the_stream_after_its_messages() -> None:
    ending = json.dumps({"error": {"code": "not_found", "message": "no such job"}}).encode()
    messages = messages_of(io.BytesIO(envelope(b"{}") + envelope(ending, flags=2)).read)
    assert next(messages) == {}
    with pytest.raises(RpcError, match="no such job") as caught:
        next(messages)
    assert caught.value.code == "not_found"


def test_a_stream_without_an_ending_is_an_error() -> None:
    with pytest.raises(RpcError, match="early"):
        stream(envelope(b"{}"))
    with pytest.raises(RpcError, match="early"):
        stream(envelope(b'{"a":1}')[:-2])


def test_an_unasked_compression_is_an_error() -> None:
    with pytest.raises(RpcError, match="compressed"):
        stream(envelope(b"xyz", flags=1))


def test_errors_keep_status_code_message_and_details() -> None:
    detail = {"type": "google.rpc.ErrorInfo", "value": "AA", "debug": {"reason": "IMAGE_UNKNOWN"}}
    said = {"code": "not_found", "message": "no image", "details": [detail]}
    error = error_of(404, json.dumps(said).encode())
    assert (error.status, error.code, error.message) == (404, "not_found", "no image")
    assert error.details == [
        {"type": "google.rpc.ErrorInfo", "value": "AA", "debug": {"reason": "IMAGE_UNKNOWN"}}
    ]
    assert base64.b64decode(error.details[0]["value"] + "==") == b"\0"


def test_what_is_no_connect_error_is_kept_as_it_is() -> None:
    error = error_of(502, b"<html>Bad gateway")
    assert (error.code, error.message) == ("unknown", "<html>Bad gateway")
