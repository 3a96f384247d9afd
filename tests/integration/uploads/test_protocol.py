"""Uploads through the real door to a real node: the protocol, its refusals, and what becomes of the bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient

from tests.fakes.node_images import Qcow2
from tests.integration.uploads.conftest import UP
from tests.integration.uploads.tus import BYTES, Tus, encoded
from tests.support.processes import Program
from tests.support.rpc import Json, rpc, rpc_stream

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
DIGEST = hashlib.sha256(IMAGE).hexdigest()
IMAGES = "limiquantix.storage.v1.ImageService"


@pytest.fixture
def tus(up: Program) -> Tus:
    return Tus(up)


def ended(program: Program, upload: str) -> Json:
    job_id = upload.rsplit("/", 1)[-1]
    message = {"jobId": job_id}
    return list(rpc_stream(program.url, f"{IMAGES}/WatchImport", message, token=program.token))[-1]


def image(program: Program, name: str) -> Json:
    return rpc(program.url, f"{IMAGES}/GetImage", {"id": name}, token=program.token)


def code(body: bytes) -> str:
    detail = json.loads(body)["details"][0]["value"]
    return base64.b64decode(detail + "==").decode("latin-1")


def test_a_server_says_what_it_can(tus: Tus) -> None:
    answer = tus.call("OPTIONS", "/uploads/", Tus_Resumable="")
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    extensions = set(answer.headers["tus-extension"].split(","))
    assert extensions >= {"creation", "checksum", "termination", "expiration"}
    assert "sha256" in answer.headers["tus-checksum-algorithm"]


def test_what_is_in_an_upload_is_what_its_sender_says(tus: Tus, up: Program) -> None:
    said = {
        "os_family": "WINDOWS",
        "os_provisioning": "sysprep",
        "os_version": "2022",
        "os_user": "Administrator",
    }
    tus.create(len(IMAGE), filename="win.qcow2", name="win", **said)
    os = image(up, "win")["spec"]["os"]
    assert (os["family"], os["provisioningMethod"]) == ("WINDOWS", "SYSPREP")
    assert (os["version"], os["defaultUser"]) == ("2022", "Administrator")
    tus.create(len(IMAGE), filename="debian-12.qcow2", name="deb", os_user="ana")
    os = image(up, "deb")["spec"]["os"]
    assert (os["distribution"], os["version"], os["defaultUser"]) == ("debian", "12", "ana")


@pytest.mark.parametrize("key", ["os_family", "os_provisioning"])
def test_a_system_that_is_unknown_is_refused(tus: Tus, key: str) -> None:
    words = {"Upload-Metadata": encoded({"filename": "x.qcow2", key: "beos"}), "Upload-Length": "9"}
    answer = tus.call("POST", "/uploads/", **words)
    assert answer.status == 400
    assert "linux" in str(answer.body) or "sysprep" in str(answer.body)


def test_an_upload_in_pieces_becomes_an_image(tus: Tus, up: Program) -> None:
    upload = tus.create(len(IMAGE), filename="golden.qcow2", checksum=f"sha256:{DIGEST.upper()}")
    assert tus.offset(upload) == 0
    before = image(up, "golden")
    assert (before["status"]["phase"], before["status"]["origin"]) == ("DOWNLOADING", "upload")
    for at in range(0, len(IMAGE), MIB):
        answer = tus.append(upload, at, IMAGE[at : at + MIB])
        assert (answer.status, answer.offset) == (204, min(at + MIB, len(IMAGE)))
        assert ("upload-expires" in answer.headers) == (answer.offset < len(IMAGE))
    assert ended(up, upload)["status"] == "COMPLETED"
    ready = image(up, "golden")["status"]
    assert (ready["phase"], ready["digest"]) == ("READY", f"sha256:{DIGEST}")
    assert Path(ready["path"]).read_bytes() == IMAGE


def test_a_standard_client_uploads(up: Program, tmp_path: Path) -> None:
    path = tmp_path / "standard.qcow2"
    path.write_bytes(IMAGE)
    client = TusClient(f"{up.url}/uploads/", headers={"Authorization": f"Bearer {up.token}"})
    with path.open("rb") as file:
        sender = client.uploader(  # pyright: ignore[reportUnknownMemberType]
            file_stream=file, chunk_size=700_000, metadata={"filename": path.name}, upload_checksum=True
        )
        sender.upload()
    assert ended(up, str(sender.url))["status"] == "COMPLETED"
    status = image(up, "standard")["status"]
    assert (status["digest"], status["trust"]) == (f"sha256:{DIGEST}", "TRUST_LEVEL_UNVERIFIED")


def test_the_bytes_can_come_with_the_creation(tus: Tus, up: Program) -> None:
    answer = tus.call(
        *("POST", "/uploads/", IMAGE),
        Upload_Length=str(len(IMAGE)),
        Upload_Metadata=encoded({"name": "at-once"}),
        Content_Type=BYTES,
    )
    assert (answer.status, answer.offset) == (201, len(IMAGE))
    assert ended(up, answer.headers["location"])["status"] == "COMPLETED"


def test_the_offset_must_be_the_stored_one(tus: Tus) -> None:
    upload = tus.create(len(IMAGE), name="offsets")
    assert tus.append(upload, 0, IMAGE[:MIB]).offset == MIB
    for wrong in (0, MIB - 1, MIB + 1, len(IMAGE)):
        assert tus.append(upload, wrong, b"x").status == 409
    assert tus.append(upload, MIB, IMAGE[MIB:] + b"more").status == 409
    assert tus.offset(upload) in (MIB, len(IMAGE) - len(IMAGE) % MIB, len(IMAGE))


def test_a_damaged_piece_is_not_kept(tus: Tus, up: Program) -> None:
    upload = tus.create(len(IMAGE), name="pieces")
    right = base64.b64encode(hashlib.sha256(IMAGE).digest()).decode()
    damaged = tus.append(upload, 0, IMAGE[:-1] + b"!", Upload_Checksum=f"sha256 {right}")
    assert (damaged.status, tus.offset(upload)) == (460, 0)
    assert tus.append(upload, 0, IMAGE, Upload_Checksum="crc32 AAAA").status == 400
    assert tus.append(upload, 0, IMAGE, Upload_Checksum=f"sha256 {right}").status == 204
    assert ended(up, upload)["status"] == "COMPLETED"


def test_what_arrives_otherwise_than_it_was_counted_is_refused(tus: Tus, up: Program) -> None:
    upload = tus.create(len(IMAGE), name="other", checksum=f"sha256:{'0' * 64}")
    assert tus.append(upload, 0, IMAGE).status == 204
    last = ended(up, upload)
    assert (last["status"], last["errorCode"]) == ("FAILED", "verify.digest_mismatch")
    assert image(up, "other")["status"]["phase"] == "ERROR"
    assert tus.call("HEAD", upload).status == 404


def test_what_is_no_image_is_refused(tus: Tus, up: Program, data_dir: Path) -> None:
    page = b"<html><title>Sign in</title></html>" * 100
    upload = tus.create(len(page), name="page", format="qcow2")
    tus.append(upload, 0, page)
    last = ended(up, upload)
    assert (last["status"], last["errorCode"]) == ("FAILED", "image.not_an_image")
    assert list((data_dir / "parts").iterdir()) == []


def test_an_upload_can_be_ended(tus: Tus, up: Program, data_dir: Path) -> None:
    upload = tus.create(len(IMAGE), name="unwanted")
    tus.append(upload, 0, IMAGE[:MIB])
    assert tus.call("DELETE", upload).status == 204
    assert tus.call("HEAD", upload).status == 404
    assert tus.append(upload, MIB, b"x").status == 404
    last = ended(up, upload)
    assert (last["status"], last["stage"]) == ("FAILED", "cancelled")
    assert list((data_dir / "parts").iterdir()) == []


def test_a_sender_that_breaks_off_loses_nothing(tus: Tus, up: Program) -> None:
    upload = tus.create(len(IMAGE), name="broken")
    where = urlsplit(up.url)
    head = (
        f"PATCH {upload} HTTP/1.1\r\nHost: {where.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Authorization: Bearer {up.token}\r\nContent-Type: {BYTES}\r\nContent-Length: {len(IMAGE)}\r\n\r\n"
    )
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as sender:
        sender.sendall(head.encode() + IMAGE[: 2 * MIB])
        # Half closed: the server reads the end of what there is, and answers.
        sender.shutdown(socket.SHUT_WR)
        sender.recv(4096)
    # The server may still be storing what it got: until then the upload is its first sender's.
    answer = tus.append(upload, tus.offset(upload), b"")
    while answer.status == 423:
        answer = tus.append(upload, tus.offset(upload), b"")
    kept = answer.offset
    assert 0 < kept <= 2 * MIB
    assert tus.append(upload, kept, IMAGE[kept:]).status == 204
    assert ended(up, upload)["status"] == "COMPLETED"


def test_a_killed_server_goes_on_where_it_was(env: dict[str, str]) -> None:
    with Program.start(UP, env) as first:
        tus = Tus(first)
        upload = tus.create(len(IMAGE), name="survivor", checksum=DIGEST)
        tus.append(upload, 0, IMAGE[: 2 * MIB])
        first.kill9()
    with Program.start(UP, env) as second:
        tus = Tus(second)
        kept = tus.offset(upload)
        assert kept == 2 * MIB
        assert tus.append(upload, kept, IMAGE[kept:]).status == 204
        assert ended(second, upload)["status"] == "COMPLETED"
        assert image(second, "survivor")["status"]["digest"] == f"sha256:{DIGEST}"


@pytest.mark.parametrize(
    ("headers", "status", "named"),
    [
        ({"Tus_Resumable": ""}, 412, "upload.invalid"),
        ({"Tus_Resumable": "0.2"}, 412, "upload.invalid"),
        ({"Upload_Length": ""}, 400, "upload.invalid"),
        ({"Upload_Length": "-1"}, 400, "upload.invalid"),
        ({"Upload_Length": "0"}, 400, "upload.invalid"),
        ({"Upload_Length": "9" * 18}, 413, "upload.too_large"),
        ({"Upload_Metadata": "name !!!"}, 400, "upload.invalid"),
        ({"Upload_Metadata": encoded({"name": "../etc"})}, 400, "name.invalid"),
        ({"Upload_Metadata": encoded({"name": "x", "format": "exe"})}, 400, "upload.invalid"),
        ({"Upload_Metadata": encoded({"name": "x", "checksum": "sha256:12"})}, 400, "verify.digest_invalid"),
        ({"Upload_Metadata": encoded({"name": "x", "node_id": "nobody"})}, 404, "node.unknown"),
        ({"Upload_Metadata": encoded({"name": "x", "image_id": "nothing"})}, 404, "image.unknown"),
        ({"Authorization": ""}, 401, "auth.missing"),
        ({"Authorization": "Bearer wrong"}, 401, "auth.missing"),
    ],
)
def test_a_bad_beginning_is_refused_and_leaves_nothing(
    tus: Tus, up: Program, headers: dict[str, str], status: int, named: str
) -> None:
    good = {"Upload_Length": "1000", "Upload_Metadata": encoded({"name": "x"})}
    answer = tus.call("POST", "/uploads/", b"", **{**good, **headers})
    assert answer.status == status, answer.body
    assert named.replace(".", "_").upper() in code(answer.body)
    assert rpc(up.url, f"{IMAGES}/ListImages", {}, token=up.token).get("images", []) == []


def test_a_name_is_given_once(tus: Tus) -> None:
    tus.create(1000, name="taken")
    answer = tus.call("POST", "/uploads/", Upload_Length="1000", Upload_Metadata=encoded({"name": "TAKEN"}))
    assert (answer.status, "name.taken" in code(answer.body)) == (409, True)


def test_only_bytes_are_taken_and_only_known_methods(tus: Tus) -> None:
    upload = tus.create(1000, name="strict")
    assert tus.call("PATCH", upload, b"x", Upload_Offset="0", Content_Type="text/plain").status == 415
    assert tus.call("PATCH", upload, b"x", Upload_Offset="", Content_Type=BYTES).status == 400
    assert tus.call("GET", upload).status == 405
    override = tus.call("POST", upload, X_HTTP_Method_Override="DELETE")
    assert override.status == 204


def test_a_web_page_of_another_site_cannot_upload(tus: Tus) -> None:
    answer = tus.call("POST", "/uploads/", Upload_Length="1000", Origin="https://evil.example")
    assert (answer.status, "auth.origin" in code(answer.body)) == (403, True)
