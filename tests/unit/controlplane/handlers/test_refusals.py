from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_library.controlplane.handlers.refusals import RefusalGuard


async def answer(app: ASGIApp, kind: str = "application/json") -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and JSON of the guarded app's answer to a POST."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode())]
    await RefusalGuard(app)(
        {"type": "http", "method": "POST", "path": "/x", "headers": headers}, receive, send
    )
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, json.loads(b"".join(m["body"] for m in sent[1:]))


@pytest.mark.parametrize(
    ("status", "code", "named"),
    [
        (404, "unimplemented", "'/x'"),
        (405, "invalid_argument", "Use GET, POST"),
        (415, "invalid_argument", "application/connect+json"),
        (418, "internal", "failed"),
    ],
)
async def test_a_refusal_without_words_gets_ours(status: int, code: str, named: str) -> None:
    found, told, body = await answer(Response(status_code=status, headers={"Allow": "GET, POST"}))
    assert (found, body["code"]) == (status, code)
    assert named in body["message"]
    assert body["details"][0]["type"] == "google.rpc.ErrorInfo"
    assert told["allow"] == "GET, POST"


async def test_a_page_of_text_is_replaced_and_an_answer_is_not() -> None:
    assert (await answer(PlainTextResponse("Not Found", 404)))[2]["code"] == "unimplemented"
    fine = Response('{"code": "not_found"}', status_code=404, media_type="application/json")
    assert (await answer(fine))[2] == {"code": "not_found"}
    assert (await answer(Response("{}", media_type="application/json")))[0] == 200


async def test_what_breaks_says_a_number_and_nothing_else() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("/a/secret/path")

    status, _, body = await answer(broken)
    assert (status, body["code"]) == (500, "internal")
    assert "secret" not in body["message"]


async def test_grpc_is_refused_in_words_and_grpc_web_is_not() -> None:
    fine = Response("{}", media_type="application/json")
    status, _, body = await answer(fine, "application/grpc+proto")
    assert (status, body["code"]) == (415, "invalid_argument")
    assert (await answer(fine, "application/grpc-web+proto"))[0] == 200
