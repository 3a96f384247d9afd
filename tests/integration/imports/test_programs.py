"""Imports by the real programs: from the command to the store, through kills and cuts."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.node_images import Qcow2
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt, Status
from tests.support.processes import Program, end_processes_of, environment, run_cli
from tests.support.rpc import Json, rpc, rpc_stream

IMAGES = "limiquantix.storage.v1.ImageService"
UP = ("up", "--json", "--listen", "127.0.0.1:0")
MIB = 1 << 20
# More than a writer holds in memory, so that a kill leaves something to go on from.
IMAGE = Qcow2().file(64 * MIB)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
SHA512 = hashlib.sha512(IMAGE).hexdigest()
URL = "https://images.example.org/debian-12-web-amd64.qcow2"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        place = Path(folder) / "data"
        try:
            yield place
        finally:
            end_processes_of(place)


def asked(program: Program, method: str, message: Json, **headers: str) -> Json:
    return rpc(program.url, f"{IMAGES}/{method}", message, token=program.token, headers=headers)


def ended(program: Program, job_id: str) -> Json:
    told = rpc_stream(
        program.url, f"{IMAGES}/WatchImport", {"jobId": job_id}, token=program.token, timeout=60
    )
    return list(told)[-1]


def cli(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return run_cli(words, env)


def document(env: dict[str, str], *words: str) -> Any:
    return json.loads(cli(env, *words, "--json").stdout)


def test_an_unverified_import_from_the_command_to_the_list(mirror: Mirror, data_dir: Path) -> None:
    mirror.put(URL, IMAGE)
    env = environment(data_dir, mirror=mirror.base_url)
    with Program.start(UP, env):
        done = cli(env, "images", "import", URL, "--name", "web")
        assert done.returncode == 0, done.stderr
        assert "the image will be unverified" in done.stderr
        assert f"It was measured as sha256:{SHA256}" in done.stdout
        shown = cli(env, "images", "show", "web").stdout
        assert "nothing was known to compare the bytes with" in shown
        [image] = document(env, "images", "list")["images"]
        assert image["status"]["trust"] == "TRUST_LEVEL_UNVERIFIED"
        assert image["spec"]["os"]["distribution"] == "debian"
        # The bytes are known now; their proof makes another image of them, and nothing is fetched.
        proved = cli(env, "images", "import", URL, "--name", "proved", "--checksum", SHA256)
        assert proved.returncode == 0, proved.stderr
        trust = {i["name"]: i["status"]["trust"] for i in document(env, "images", "list")["images"]}
        assert trust == {"web": "TRUST_LEVEL_UNVERIFIED", "proved": "TRUST_LEVEL_CHECKSUM"}
        again = cli(env, "images", "import", URL, "--name", "web")
        assert again.returncode == 4
    assert len(mirror.exchanges(URL)) == 1


def test_an_import_by_a_checksum_file_of_any_form(mirror: Mirror, data_dir: Path) -> None:
    mirror.put(URL, IMAGE)
    name = URL.rsplit("/", 1)[-1]
    mirror.put(f"{URL}.SUMS", f"SHA256 ({name}) = {SHA256}\nSHA512 ({name}) = {SHA512}\n".encode())
    env = environment(data_dir, mirror=mirror.base_url)
    with Program.start(UP, env):
        done = document(env, "images", "import", URL, "--checksum-file-url", f"{URL}.SUMS")
    proof = done["image"]["status"]["evidence"]
    assert (proof["algorithm"], proof["expected"]) == ("sha512", SHA512)
    assert proof["source"] == f"{URL}.SUMS"


def test_a_killed_import_goes_on_and_its_key_still_means_it(mirror: Mirror, data_dir: Path) -> None:
    mirror.put(URL, IMAGE)
    hold = HoldAt(48 * MIB)
    mirror.fault(URL, hold)
    env = environment(data_dir, mirror=mirror.base_url)
    key = {"Idempotency-Key": "once"}
    with Program.start(UP, env) as program:
        first = asked(program, "ImportImage", {"url": URL}, **key)
        mirror.wait_for_bytes(URL, 48 * MIB)
        program.kill9()
    mirror.heal()
    hold.release()
    with Program.start(UP, env) as program:
        again = asked(program, "ImportImage", {"url": URL}, **key)
        assert again == first
        assert ended(program, first["jobId"])["status"] == "COMPLETED"
        listed = asked(program, "ListImages", {})
        [image] = listed["images"]
        assert image["status"]["digest"] == f"sha256:{SHA256}"
        assert image["status"]["trust"] == "TRUST_LEVEL_UNVERIFIED"
    assert mirror.exchanges(URL)[-1].range is not None


def test_a_failed_import_is_explained_and_tried_again(mirror: Mirror, data_dir: Path) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, Status(404))
    env = environment(data_dir, mirror=mirror.base_url)
    with Program.start(UP, env):
        failed = cli(env, "images", "import", URL, "--json")
        assert failed.returncode == 8
        [job] = document(env, "jobs", "list", "--kind", "import")["jobs"]
        said = cli(env, "jobs", "explain", job["jobId"]).stdout
        assert "It has failed." in said
        assert f"jobs retry {job['jobId']}" in said
        mirror.heal()
        retried = cli(env, "jobs", "retry", job["jobId"], "--json")
        assert retried.returncode == 0, retried.stderr
        assert json.loads(retried.stdout)["retryOf"] == job["jobId"]
        [image] = document(env, "images", "list")["images"]
        assert image["status"]["phase"] == "READY"
