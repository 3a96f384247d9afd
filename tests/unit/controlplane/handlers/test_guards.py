from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_library.controlplane.handlers.guards import BodyGuard, HostGuard, OriginGuard, host_name
from image_library.controlplane.handlers.web import answered_hosts
from image_library.domain.errors import RequestTooLarge


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers 200."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def answer(
    app: ASGIApp, headers: Mapping[str, str], body: Iterable[bytes] = (b"",)
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the app's answer; a body that runs out never ends."""
    sent: list[Message] = []
    parts = list(body)
    turns = iter(enumerate(parts))

    async def receive() -> Message:
        found = next(turns, None)
        if found is None:
            await asyncio.Event().wait()
        number, part = found or (0, b"")
        return {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    await app({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


GUARDED = HostGuard(fine, hosts=answered_hosts("10.0.0.5", ["library.example"]))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8006",
        "127.0.0.1:8006",
        "[::1]:8006",
        "10.0.0.5",
        "Library.Example:1",
        "localhost.",
    ],
)
async def test_known_hosts_are_answered(host: str) -> None:
    assert (await answer(GUARDED, {"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil", "[::1", "localhost:80 evil", "0.0.0.0"],
)
async def test_unknown_hosts_are_misdirected(host: str) -> None:
    status, body = await answer(GUARDED, {"Host": host})
    assert (status, body["code"]) == (421, "permission_denied")
    assert body["details"][0]["type"] == "google.rpc.ErrorInfo"


def test_listening_everywhere_is_no_name() -> None:
    assert "0.0.0.0" not in answered_hosts("0.0.0.0", [])


def test_a_host_without_a_name_is_empty() -> None:
    assert [host_name(h) for h in ("", ":80", "[")] == ["", "", ""]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8006"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_programs_and_our_own_pages_may_call(headers: dict[str, str]) -> None:
    assert (await answer(OriginGuard(fine), {"Host": "127.0.0.1:8006"} | headers))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:8006", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_pages_of_other_sites_may_not(headers: dict[str, str]) -> None:
    status, body = await answer(OriginGuard(fine), {"Host": "127.0.0.1:8006"} | headers)
    assert (status, body["code"]) == (403, "permission_denied")


async def test_a_body_is_bounded_by_what_it_announces() -> None:
    app = BodyGuard(fine, most=10)
    assert (await answer(app, {"Content-Length": "10"}, [b"x" * 10]))[0] == 200
    for length in ("11", "-1", "a lot", "99999999999999999999"):
        status, body = await answer(app, {"Content-Length": length})
        assert (status, body["code"]) == (413, "resource_exhausted")


async def test_a_body_that_dawdles_is_given_up() -> None:
    app = BodyGuard(fine, seconds=0.01)

    async def dawdle() -> Message:
        await asyncio.sleep(3600)
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        """Not reached."""

    with pytest.raises(RequestTooLarge, match="too slowly"):
        await app({"type": "http", "headers": []}, dawdle, send)
