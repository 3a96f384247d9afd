"""Signing in over HTTP, what a session may do, and how the pages are served."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette

from image_library.controlplane.adapters.listening import listening_socket, url_of
from image_library.controlplane.handlers.server import serving
from image_library.controlplane.handlers.web_files import NONCE_MARK, WebFiles
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason

LIST = f"/{IMAGES}/ListImages"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").partition(";")[0]


async def ask(
    whom: Caller | str, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
) -> Answer:
    def asked() -> Answer:
        where = urlsplit(whom if isinstance(whom, str) else whom.handle.url)
        with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)) as connection:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())

    return await asyncio.to_thread(asked)


async def signed_in(call: Caller) -> dict[str, str]:
    """What a page of ours sends with each request, once its visitor is signed in."""
    answer = await ask(call, "POST", "/session", JSON, json.dumps({"token": call.handle.token}))
    assert answer.status == 200
    return {"Cookie": answer.cookie, "Origin": call.handle.url, **JSON}


async def test_the_cookie_is_for_this_server_alone(call: Caller) -> None:
    answer = await ask(call, "POST", "/session", JSON, json.dumps({"token": call.handle.token}))
    said = answer.headers["set-cookie"]
    port = urlsplit(call.handle.url).port
    assert said.startswith(f"__Host-limiquantix-{port}=")
    for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert word in said
    assert "Domain" not in said
    assert call.handle.token not in said
    assert answer.headers["cache-control"] == "no-store"


async def test_a_session_may_do_what_the_operator_may(call: Caller) -> None:
    page = await signed_in(call)
    assert (await ask(call, "POST", LIST, page, "{}")).status == 200
    tus = page | {"Tus-Resumable": "1.0.0", "Upload-Length": "abc"}
    assert (await ask(call, "POST", "/uploads/", tus)).status == 400
    assert json.loads((await ask(call, "GET", "/session", page)).body) == {"signedIn": True, "required": True}


async def test_a_cookie_counts_only_where_our_own_page_sent_it(call: Caller) -> None:
    page = await signed_in(call)
    bare = {name: value for name, value in page.items() if name != "Origin"}
    for told in (
        {},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for method, path in (("POST", LIST), ("POST", "/uploads/")):
            assert (await ask(call, method, path, bare | told, "{}")).status == 403
    assert (await ask(call, "POST", LIST, bare | {"Sec-Fetch-Site": "same-origin"}, "{}")).status == 200


async def test_signing_out_ends_the_session_itself(call: Caller) -> None:
    page = await signed_in(call)
    answer = await ask(call, "DELETE", "/session", page)
    assert answer.status == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await ask(call, "POST", LIST, page, "{}")).status == 401


async def test_what_does_not_sign_in(call: Caller) -> None:
    for shown, status in (
        ({"token": "wrong"}, 401),
        ({"token": ""}, 401),
        ({}, 401),
        ({"token": call.handle.join_token}, 403),
        ({"code": "guessed"}, 401),
        ({"token": 1}, 400),
    ):
        assert (await ask(call, "POST", "/session", JSON, json.dumps(shown))).status == status
    assert (await ask(call, "POST", "/session", JSON, "[")).status == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await ask(call, "POST", "/session", form, f"token={call.handle.token}")).status == 400


async def test_a_link_is_made_by_the_operator_and_used_once(call: Caller) -> None:
    assert (await ask(call, "POST", "/session/link")).status == 401
    node = {"Authorization": f"Bearer {call.handle.join_token}"}
    assert (await ask(call, "POST", "/session/link", node)).status == 403
    own = {"Authorization": f"Bearer {call.handle.token}"}
    path = json.loads((await ask(call, "POST", "/session/link", own)).body)["path"]
    code = path.partition("#")[2]
    assert [
        (await ask(call, "POST", "/session", JSON, json.dumps({"code": code}))).status for _ in range(2)
    ] == [200, 401]
    assert call.handle.sign_in_link().startswith(f"{call.handle.url}/sign-in#")


async def test_without_authentication_nobody_needs_to(data_dir: Path) -> None:
    async with control_plane(data_dir, no_auth=True) as call:
        assert json.loads((await ask(call, "GET", "/session")).body) == {"signedIn": True, "required": False}


async def test_paths_of_programs_are_never_answered_with_a_page(call: Caller) -> None:
    browser = {"Accept": "text/html"}
    for path in (
        "/limiquantix.storage.v1.ImageService/Nothing",
        "/uploads/x/y",
        "/assets/none.js",
        "/blobs/x",
    ):
        answer = await ask(call, "GET", path, browser)
        assert answer.status in {401, 404, 405}, path
        assert "json" in answer.headers["content-type"]
    error = await call.refused("nothing/here")
    assert (error.status, reason(error)) == (404, "RPC_UNIMPLEMENTED")


def built(root: Path) -> Path:
    """Pages as a build leaves them, with a secret beside them that a link leads to."""
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text(f"<meta content='{NONCE_MARK}'>")
    (root / "icon.svg").write_text("<svg/>")
    (root / ".hidden").write_text("secret")
    (root / "assets" / "index-abc.js").write_text("1;" * 4000)
    (root.parent / "secret.txt").write_text("secret")
    (root / "assets" / "link.js").symlink_to(root.parent / "secret.txt")
    return root


@asynccontextmanager
async def pages(root: Path) -> AsyncGenerator[str]:
    """The URL of a server of these pages alone."""
    app = Starlette(exception_handlers={404: WebFiles(root).answer})
    with listening_socket("127.0.0.1", 0) as sock:
        url = url_of(sock, tls=False)
        async with serving(app, sock, tls_cert=None, tls_key=None):
            yield url


async def test_a_page_has_a_strict_policy_and_a_number_of_its_own(tmp_path: Path) -> None:
    seen = set[str]()
    async with pages(built(tmp_path / "web")) as url:
        for path in ("/", "/storage/images?tab=local", "/vms/some-id"):
            answer = await ask(url, "GET", path, {"Accept": "text/html"})
            policy = answer.headers["content-security-policy"]
            nonce = policy.partition("'nonce-")[2].partition("'")[0]
            assert f"content='{nonce}'".encode() in answer.body
            assert "unsafe" not in policy
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            seen.add(nonce)
    assert len(seen) == 3


async def test_what_is_named_by_its_content_is_kept_for_ever_and_packed(tmp_path: Path) -> None:
    async with pages(built(tmp_path / "web")) as url:
        answer = await ask(url, "GET", "/assets/index-abc.js", {"Accept-Encoding": "gzip"})
        assert "immutable" in answer.headers["cache-control"]
        assert "javascript" in answer.headers["content-type"]
        assert len(gzip.decompress(answer.body)) == 8000
        plain = await ask(url, "GET", "/assets/index-abc.js")
        assert len(plain.body) == 8000
        assert (await ask(url, "GET", "/icon.svg")).headers["cache-control"] == "no-cache"


async def test_nothing_beside_the_pages_is_served(tmp_path: Path) -> None:
    async with pages(built(tmp_path / "web")) as url:
        for path in (
            *("/assets/..%2f..%2fsecret.txt", "/assets/link.js", "/assets/%00", "/..%2fsecret.txt"),
            *(
                "/assets/",
                "/.hidden",
                "/nothing.js",
                "/index.html",
                "/assets/../../secret.txt",
            ),
        ):
            answer = await ask(url, "GET", path)
            assert answer.status == 404, path
            assert b"secret" not in answer.body.partition(b"There is nothing")[0]


async def test_without_its_build_the_page_says_how_to_get_it(tmp_path: Path) -> None:
    async with pages(tmp_path / "none") as url:
        answer = await ask(url, "GET", "/")
        assert answer.status == 200
        assert b"./run up" in answer.body
