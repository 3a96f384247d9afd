"""Images as files: over HTTP with ranges, by `images export`, and from one node to another."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.node_images import Qcow2
from tests.support.mirror import Mirror
from tests.support.processes import COMMAND, Program, environment, run_cli
from tests.support.rpc import Json, rpc, rpc_stream

MIB = 1 << 20
IMAGE = Qcow2().file(5 * MIB)
DIGEST = hashlib.sha256(IMAGE).hexdigest()
IMAGES = "limiquantix.storage.v1.ImageService"
DEBIAN = "https://cloud.debian.org/images/cloud/bookworm/latest"
NAME = "debian-12-generic-amd64.qcow2"


def call(program: Program, method: str, message: Json) -> Json:
    return rpc(program.url, f"{IMAGES}/{method}", message, token=program.token)


def ended(program: Program, job: str) -> Json:
    return list(rpc_stream(program.url, f"{IMAGES}/WatchImport", {"jobId": job}, token=program.token))[-1]


def fetch(program: Program, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    where = urlsplit(program.url)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)) as connection:
        connection.request(method, path, headers={"Authorization": f"Bearer {program.token}", **named})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    with Mirror(tmp_path_factory.mktemp("mirror")) as mirror:
        mirror.put(f"{DEBIAN}/{NAME}", IMAGE)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{hashlib.sha512(IMAGE).hexdigest()}  {NAME}\n".encode())
        yield mirror


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, publisher: Mirror) -> Iterator[Program]:
    data_dir = tmp_path_factory.mktemp("one") / "data"
    env = environment(data_dir, mirror=publisher.base_url)
    with Program.start(("up", "--json", "--listen", "127.0.0.1:0"), env) as program:
        job = call(program, "DownloadImage", {"catalogId": "debian-12"})["jobId"]
        last = ended(program, job)
        assert last["status"] == "COMPLETED", last
        yield program


def test_an_image_is_served_with_all_that_proves_it(up: Program) -> None:
    status, headers, body = fetch(up, "/images/debian-12/file")
    assert (status, body) == (200, IMAGE)
    assert headers["ETag"] == f'"sha256:{DIGEST}"'
    assert headers["Content-Disposition"] == 'attachment; filename="debian-12.qcow2"'
    status, headers, body = fetch(up, "/images/debian-12/file", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(IMAGE)), b"")
    assert fetch(up, f"/blobs/sha256/{DIGEST}")[2] == IMAGE


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048575-1048577", MIB - 1, MIB + 2),
        ("bytes=100-", 100, len(IMAGE)),
        ("bytes=-7", len(IMAGE) - 7, len(IMAGE)),
        (f"bytes=5-{10**15}", 5, len(IMAGE)),
        (f"bytes=-{10**15}", 0, len(IMAGE)),
    ],
)
def test_a_range_is_exactly_that(up: Program, asked: str, start: int, stop: int) -> None:
    status, headers, body = fetch(up, "/images/debian-12/file", Range=asked)
    assert (status, body) == (206, IMAGE[start:stop])
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(IMAGE)}"


@pytest.mark.parametrize("asked", ["bytes=9-5", f"bytes={len(IMAGE)}-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(up: Program, asked: str) -> None:
    status, headers, _ = fetch(up, "/images/debian-12/file", Range=asked)
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(IMAGE)}")


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=-"])
def test_what_is_no_single_range_gets_all(up: Program, asked: str) -> None:
    assert fetch(up, "/images/debian-12/file", Range=asked)[0] == 200


def test_a_range_of_another_version_gets_all(up: Program) -> None:
    same = fetch(up, "/images/debian-12/file", Range="bytes=5-6", If_Range=f'"sha256:{DIGEST}"')
    other = fetch(up, "/images/debian-12/file", Range="bytes=5-6", If_Range='"sha256:0"')
    assert (same[0], other[0]) == (206, 200)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/images/nothing/file", 404, "image.unknown"),
        ("/images/debian-13/file", 404, "image.unknown"),
        ("/blobs/sha256/xyz", 400, "verify.digest_invalid"),
        (f"/blobs/sha256/{'0' * 64}", 412, "image.not_ready"),
        ("/images/..%2f..%2fetc%2fpasswd/file", 404, ""),
    ],
)
def test_what_is_not_there_is_said(up: Program, path: str, status: int, code: str) -> None:
    found, _, body = fetch(up, path)
    assert found == status
    assert json.loads(body)["message"]
    assert code == "" or code.replace(".", "_").upper().encode() in _decoded(body)


def _decoded(body: bytes) -> bytes:
    return base64.b64decode(json.loads(body)["details"][0]["value"] + "==")


def test_bytes_are_for_those_who_may(up: Program) -> None:
    join = (up.data_dir / "join-token").read_text().strip()
    assert fetch(up, "/images/debian-12/file", Authorization="Bearer wrong")[0] == 401
    assert fetch(up, "/images/debian-12/file", Authorization=f"Bearer {join}")[0] == 403
    assert fetch(up, f"/blobs/sha256/{DIGEST}", Authorization=f"Bearer {join}")[0] == 200


def env_of(program: Program) -> dict[str, str]:
    return environment(program.data_dir)


def test_an_export_is_whole_or_not_there(up: Program, tmp_path: Path) -> None:
    target = tmp_path / "mine.qcow2"
    done = run_cli(["--json", "images", "export", "debian-12", str(target)], env_of(up))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == f"sha256:{DIGEST}"
    assert target.read_bytes() == IMAGE
    assert [path.name for path in tmp_path.iterdir()] == ["mine.qcow2"]
    again = run_cli(["images", "export", "debian-12", str(target)], env_of(up))
    assert again.returncode != 0
    assert "--force" in again.stderr
    assert run_cli(["images", "export", "debian-12", str(target), "--force"], env_of(up)).returncode == 0


def test_an_export_goes_on_with_what_is_there(up: Program, tmp_path: Path) -> None:
    target = tmp_path / "mine.qcow2"
    (tmp_path / "mine.qcow2.part").write_bytes(IMAGE[: 3 * MIB])
    done = run_cli(["images", "export", "debian-12", str(target)], env_of(up))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == IMAGE


def test_an_export_with_wrong_bytes_is_refused(up: Program, tmp_path: Path) -> None:
    target = tmp_path / "mine.qcow2"
    (tmp_path / "mine.qcow2.part").write_bytes(b"!" * MIB)
    done = run_cli(["images", "export", "debian-12", str(target)], env_of(up))
    assert done.returncode != 0
    assert "digest" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_to_a_pipe(up: Program) -> None:
    command = [*COMMAND, "images", "export", "debian-12", "-"]
    done = subprocess.run(command, env=env_of(up), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == IMAGE


def listed(program: Program) -> list[str]:
    return [image["name"] for image in call(program, "ListImages", {})["images"]]


def test_an_export_in_another_format_shows_the_same_disk_and_leaves_no_image(
    up: Program, tmp_path: Path
) -> None:
    before, source, target = listed(up), tmp_path / "source.qcow2", tmp_path / "mine.vmdk"
    source.write_bytes(IMAGE)
    command = ["--json", "images", "export", "debian-12", str(target), "--format", "vmdk"]
    done = run_cli(command, env_of(up))
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    assert json.loads(done.stdout)["digest"] == f"sha256:{digest}"
    compare = ["qemu-img", "compare", "-f", "qcow2", "-F", "vmdk", str(source), str(target)]
    assert subprocess.run(compare, check=False, capture_output=True).returncode == 0
    assert listed(up) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.vmdk", "source.qcow2"]


def test_an_interrupted_export_in_another_format_is_gone_on_with(up: Program, tmp_path: Path) -> None:
    before, image = listed(up), call(up, "ListImages", {})["images"][0]
    left = f"{image['name'][:40]}-export-{image['id'][:8]}-raw"
    made = {"image": image["id"], "format": "raw", "name": left}
    assert ended(up, call(up, "ConvertImage", made)["jobId"])["status"] == "COMPLETED"
    target = tmp_path / "mine.raw"
    done = run_cli(["images", "export", image["id"], str(target), "--format", "raw"], env_of(up))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size == 1 << 30
    assert listed(up) == before


def test_an_export_begins_anew_where_the_last_one_failed_and_leaves_no_image(
    up: Program, tmp_path: Path
) -> None:
    before, image = listed(up), call(up, "ListImages", {})["images"][0]
    left = f"{image['name'][:40]}-export-{image['id'][:8]}-vdi"
    failed = call(up, "ConvertImage", {"image": image["id"], "format": "vdi", "name": left})["jobId"]
    call(up, "CancelImport", {"jobId": failed})
    ended(up, failed)
    target = tmp_path / "mine.vdi"
    done = run_cli(["images", "export", image["id"], str(target), "--format", "vdi"], env_of(up))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > 0
    assert listed(up) == before


def test_an_export_in_the_format_that_it_has_makes_nothing(up: Program, tmp_path: Path) -> None:
    target = tmp_path / "mine.qcow2"
    done = run_cli(["images", "export", "debian-12", str(target), "--format", "qcow2"], env_of(up))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == IMAGE


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "is a directory"), ("nowhere/mine.vmdk", "There is no directory"), ("there", "is there already")],
)
def test_where_nothing_can_be_written_nothing_is_made(
    up: Program, tmp_path: Path, name: str, said: str
) -> None:
    before = listed(up)
    (tmp_path / "there").touch()
    command = ["images", "export", "debian-12", str(tmp_path / name), "--format", "vmdk"]
    done = run_cli(command, env_of(up))
    assert done.returncode == 2
    assert said in done.stderr
    assert "converting" not in done.stderr
    assert listed(up) == before


def test_what_was_made_for_an_export_that_failed_is_told_and_used_by_the_next(
    up: Program, tmp_path: Path
) -> None:
    before, target = listed(up), tmp_path / "mine.raw"
    command = ["images", "export", "debian-12", str(target), "--format", "raw"]
    # No file may grow beyond that.
    limited = ["prlimit", f"--fsize={4 * MIB}", *COMMAND, *command]
    done = subprocess.run(limited, env=env_of(up), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "file too large" in done.stderr
    assert "stays as the image 'debian-12-export-" in done.stderr
    assert run_cli(command, env_of(up)).returncode == 0
    assert target.stat().st_size == 1 << 30
    assert listed(up) == before
