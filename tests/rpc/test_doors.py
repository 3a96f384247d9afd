"""What is refused at the doors, and what starting refuses."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from connectrpc.codec import proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError

from image_library.domain.errors import (
    DataDirBusy,
    InvalidSettings,
    ListenDenied,
    PortTaken,
    SchemaTooNew,
    StoreNotWritable,
    UnknownImage,
)
from image_library.wire.errors import from_connect
from limiquantix.storage.v1.image_connect import ImageServiceClient
from limiquantix.storage.v1.image_pb import GetImageCatalogRequest, GetImageRequest, GetImportStatusRequest
from tests.rpc.conftest import IMAGES, NODES, Caller, control_plane, reason

LIST = f"{IMAGES}/ListImages"
JSON = {"Content_Type": "application/json"}


async def test_every_rpc_needs_a_token(call: Caller) -> None:
    for wrong in ("", "x", call.handle.token[:-1], call.handle.token + "0"):
        error = await call.refused(LIST, token=wrong)
        assert (error.status, error.code, reason(error)) == (401, "unauthenticated", "AUTH_MISSING")


async def test_the_token_is_the_content_of_its_file(call: Caller, data_dir: Path) -> None:
    assert (data_dir / "token").read_text().strip() == call.handle.token
    assert (data_dir / "join-token").read_text().strip() == call.handle.join_token
    assert await call(LIST) == {}


async def test_a_node_may_do_no_more_than_nodes_do(call: Caller) -> None:
    for method in (LIST, f"{NODES}/ListNodes", "limiquantix.compute.v1.VMService/CreateVM"):
        error = await call.refused(method, token=call.handle.join_token)
        assert (error.status, error.code, reason(error)) == (403, "permission_denied", "AUTH_DENIED")


async def test_without_authentication_everybody_is_the_operator(data_dir: Path) -> None:
    async with control_plane(data_dir, no_auth=True) as call:
        assert await call(LIST, token="") == {}


async def test_foreign_hosts_and_pages_are_refused(call: Caller) -> None:
    host = await call.refused(LIST, headers={"Host": "evil.example"})
    assert (host.status, host.code, reason(host)) == (421, "permission_denied", "AUTH_HOST")
    page = await call.refused(LIST, headers={"Origin": "http://evil.example"})
    assert (page.status, page.code, reason(page)) == (403, "permission_denied", "AUTH_ORIGIN")
    site = await call.refused(LIST, headers={"Sec-Fetch-Site": "cross-site"})
    assert (site.status, reason(site)) == (403, "AUTH_ORIGIN")


async def test_a_host_of_the_settings_is_answered(data_dir: Path) -> None:
    async with control_plane(data_dir, allowed_hosts=("library.example",)) as call:
        assert await call(LIST, headers={"Host": "library.example"}) == {}


@pytest.mark.parametrize(
    "method",
    [
        "limiquantix.storage.v1.StoragePoolService/CreatePool",
        "limiquantix.storage.v1.VolumeService/ListVolumes",
    ],
)
async def test_what_is_not_there_yet_says_so(call: Caller, method: str) -> None:
    error = await call.refused(method)
    assert (error.code, reason(error)) == ("unimplemented", "RPC_UNIMPLEMENTED")


def raw(call: Caller, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(call.handle.url).netloc, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Authorization": f"Bearer {call.handle.token}"} | named)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


async def test_nothing_is_changed_by_a_get(call: Caller) -> None:
    path = f"/{IMAGES}/CancelImport?message=%7B%7D&encoding=json&connect=v1"
    status, _ = await asyncio.to_thread(raw, call, "GET", path)
    assert status == 405


async def test_bodies_that_are_no_message_are_refused(call: Caller) -> None:
    for body in (b"{", b"[]", b'{"pageSize": "many"}', b"\xff"):
        status, said = await asyncio.to_thread(raw, call, "POST", f"/{LIST}", body, **JSON)
        assert status == 400
        assert b"Traceback" not in said
    status, _ = await asyncio.to_thread(raw, call, "POST", f"/{LIST}", b"{}", Content_Type="text/plain")
    assert status == 415


async def test_a_body_beyond_the_limit_is_refused(call: Caller) -> None:
    huge = b"x" * (4 * 1024 * 1024 + 1)
    status, said = await asyncio.to_thread(raw, call, "POST", f"/{LIST}", huge, **JSON)
    assert (status, b"resource_exhausted" in said) == (413, True)


async def test_the_health_check_needs_nothing(call: Caller) -> None:
    answer = await asyncio.to_thread(raw, call, "GET", "/healthz", Authorization="")
    assert answer == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("codec", [proto_binary_codec(), proto_json_codec()], ids=["proto", "json"])
async def test_the_generated_client_understands_answers_and_errors(call: Caller, codec: object) -> None:
    headers = {"authorization": f"Bearer {call.handle.token}"}
    async with ImageServiceClient(call.handle.url, codec=codec) as client:  # pyright: ignore[reportArgumentType]
        catalog = await client.get_image_catalog(GetImageCatalogRequest(), headers=headers)
        assert "debian-12" in [entry.id for entry in catalog.images]
        with pytest.raises(ConnectError) as unary:
            await client.get_image(GetImageRequest(id="debian-21"), headers=headers)
        assert isinstance(from_connect(unary.value), UnknownImage)
        watched = client.watch_import(GetImportStatusRequest(job_id="no"), headers=headers)
        with pytest.raises(ConnectError) as streamed:
            await anext(aiter(watched))
    found = from_connect(streamed.value)
    assert found is not None
    assert found.code == "job.unknown"


async def test_what_breaks_inside_shows_a_number_and_nothing_else(call: Caller, data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "controlplane.db")) as database, database:
        database.execute("DROP TABLE image_labels")
    database.close()
    error = await call.refused(LIST, {"labels": {"secret-name": "secret-value"}})
    assert (error.code, reason(error)) == ("internal", "INTERNAL")
    assert "request" in error.message
    assert "image_labels" not in error.message
    assert "secret" not in error.message


async def test_one_data_directory_has_one_control_plane(call: Caller, data_dir: Path) -> None:
    with pytest.raises(DataDirBusy):
        async with control_plane(data_dir):
            pass


async def test_a_taken_port_is_said(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            async with control_plane(data_dir, listen=f"127.0.0.1:{port}"):
                pass


async def test_starts_that_cannot_be_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreNotWritable):
        async with control_plane(tmp_path / "file"):
            pass
    with pytest.raises(ListenDenied):
        async with control_plane(tmp_path / "data", listen="0.0.0.0:0"):
            pass
    with pytest.raises(ListenDenied):
        async with control_plane(tmp_path / "data", listen="192.0.2.1:0", no_auth=True):
            pass


async def test_a_newer_database_is_left_alone(data_dir: Path) -> None:
    async with control_plane(data_dir):
        pass
    with closing(sqlite3.connect(data_dir / "controlplane.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(SchemaTooNew):
        async with control_plane(data_dir):
            pass


async def test_with_a_certificate_the_doors_speak_tls(data_dir: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    trusted = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())

    def health(url: str) -> int:
        connection = http.client.HTTPSConnection(urlsplit(url).netloc, timeout=10, context=trusted)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
        return status

    async with control_plane(data_dir, tls_cert=tmp_path / "cert", tls_key=tmp_path / "key") as call:
        assert call.handle.url.startswith("https://127.0.0.1:")
        assert await asyncio.to_thread(health, call.handle.url) == 200


async def test_a_certificate_that_is_none_is_said(data_dir: Path, tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / name).write_text("not PEM")
    with pytest.raises(InvalidSettings, match="certificate"):
        async with control_plane(data_dir, tls_cert=tmp_path / "cert", tls_key=tmp_path / "key"):
            pass


async def test_refusals_of_every_layer_are_in_our_words(call: Caller) -> None:
    for method, path, named in [
        ("GET", f"/{LIST}", {}),
        ("POST", f"/{IMAGES}/Nope", JSON),
        ("POST", "/nowhere", JSON),
        ("POST", f"/{LIST}", {"Content_Type": "application/x-www-form-urlencoded"}),
        ("POST", f"/{LIST}", {"Content_Type": "application/grpc"}),
        ("POST", f"/{LIST}", JSON | {"Origin": "http://[::1"}),
        ("POST", f"/{LIST}", JSON | {"Content_Encoding": "snappy"}),
    ]:
        status, said = await asyncio.to_thread(raw, call, method, path, b"{}", **named)
        assert 400 <= status < 600
        details = json.loads(said)["details"]
        assert details[0]["type"] == "google.rpc.ErrorInfo", (path, said)


async def test_a_field_that_cannot_be_read_is_named(call: Caller) -> None:
    error = await call.refused(LIST, {"projectId": 5})
    assert (error.status, reason(error)) == (400, "REQUEST_INVALID")
    assert "expected string got: int in project_id." in error.message
    assert [detail["type"] for detail in error.details] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]


async def test_an_encoding_that_is_not_known_is_no_missing_rpc(call: Caller) -> None:
    error = await call.refused(LIST, headers={"Content-Encoding": "snappy"})
    assert "snappy" in error.message
