"""Refreshing with the real programs: a publisher that goes on, goes back and goes away."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt, Status
from tests.support.processes import Program, end_processes_of, environment, run_cli
from tests.support.rpc import Json, rpc, rpc_stream

IMAGES = "limiquantix.storage.v1.ImageService"
VMS = "limiquantix.compute.v1.VMService"
UP = ("up", "--json", "--listen", "127.0.0.1:0")
LATEST = "https://cloud.debian.org/images/cloud/bookworm/latest"
NAME = "debian-12-generic-amd64"
URL, SUMS, MANIFEST = f"{LATEST}/{NAME}.qcow2", f"{LATEST}/SHA512SUMS", f"{LATEST}/{NAME}.json"


@dataclass
class Publisher:
    """Debian's publisher, whose builds are small: number 3 is called 20261103-1 and has three extra MiB."""

    mirror: Mirror
    folder: Path

    def build(self, number: int) -> Path:
        made = self.folder / f"{number}.qcow2"
        if not made.exists():
            command = ["qemu-img", "create", "-q", "-f", "qcow2", str(made), f"{1024 + number}M"]
            subprocess.run(command, check=True)
        return made

    def sha512(self, number: int) -> str:
        return hashlib.sha512(self.build(number).read_bytes()).hexdigest()

    def publish(self, number: int, *, named: bool = True) -> None:
        """From now on this build is the latest; ``named`` tells whether the manifest knows it."""
        self.mirror.put(URL, self.build(number))
        self.mirror.put(SUMS, f"{self.sha512(number)}  {NAME}.qcow2\n".encode())
        digest = self.sha512(number) if named else "0" * 128
        self.mirror.put(MANIFEST, f"{digest}  {NAME}-202611{number:02}-1.qcow2\n".encode())


@dataclass
class Installation:
    """The program on its data directory, and the command line beside it."""

    program: Program
    env: dict[str, str]

    def run(self, *words: str, code: int = 0) -> Any:
        ended = run_cli(["--json", "images", *words], self.env, timeout=120)
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout)

    def refresh(self, *words: str) -> Json:
        (result,) = self.run("refresh", "debian-12", *words)["results"]
        return result

    def call(self, method: str, message: Json | None = None) -> Json:
        return rpc(self.program.url, method, message, token=self.program.token)

    def image(self, name: str) -> Json:
        return self.call(f"{IMAGES}/GetImage", {"id": name})

    def versions(self) -> dict[int, Json]:
        listed = self.call(f"{IMAGES}/ListImages", {"allVersions": True}).get("images", [])
        return {image["version"]: image for image in listed}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        data_dir = Path(folder) / "data"
        try:
            yield data_dir
        finally:
            end_processes_of(data_dir)


@pytest.fixture
def publisher(mirror: Mirror, tmp_path: Path) -> Publisher:
    folder = tmp_path / "builds"
    folder.mkdir()
    publisher = Publisher(mirror, folder)
    publisher.publish(1)
    return publisher


@pytest.fixture
def here(publisher: Publisher, data_dir: Path) -> Iterator[Installation]:
    """An installation that has build 1."""
    env = environment(data_dir, mirror=publisher.mirror.base_url)
    with Program.start(UP, env) as program:
        installation = Installation(program, env)
        installation.run("download", "debian-12")
        yield installation


def test_other_nodes_get_the_new_version_from_the_first(
    publisher: Publisher, data_dir: Path, tmp_path: Path
) -> None:
    env = environment(data_dir, mirror=publisher.mirror.base_url)
    token = str(data_dir / "join-token")
    homes = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        start = ("controlplane", "--json", "--listen", "127.0.0.1:0")
        program = stack.enter_context(Program.start(start, env))
        here = Installation(program, env)
        join = ("node", "--json", "--control-plane", program.url, "--join-token-file", token)
        for home in homes:
            own = {"LIMIQUANTIX_DATA_DIR": str(home), "LIMIQUANTIX_HOSTNAME": home.name}
            stack.enter_context(Program.start(join, env | own))
            here.run("download", "debian-12", "--node", home.name)
        fetched = publisher.mirror.bytes_sent(URL)
        publisher.publish(2)
        result = here.refresh("--keep", "1")
        assert "and from there to" in result["message"]
        wait_for_versions(here, [2])
        new = here.image("debian-12")
        assert len(new["status"]["placements"]) == 2
        assert new["status"]["trust"] == "TRUST_LEVEL_CHECKSUM"
        for home in homes:
            assert blob(home, new).read_bytes() == publisher.build(2).read_bytes()
    assert publisher.mirror.bytes_sent(URL) - fetched == publisher.build(2).stat().st_size


def blob(data_dir: Path, image: Json) -> Path:
    digest = image["status"]["digest"].removeprefix("sha256:")
    return data_dir / "blobs" / "sha256" / digest[:2] / digest


def test_a_newer_build_is_told_of_fetched_beside_and_old_ones_go(
    publisher: Publisher, here: Installation, data_dir: Path
) -> None:
    assert here.refresh("--dry-run")["message"] == "Up to date: 20261101-1, published 2026-11-01."
    publisher.publish(2)
    fetched = publisher.mirror.bytes_sent(URL)
    dry = here.refresh("--dry-run")
    assert (dry["outcome"], dry["release"], dry["jobId"]) == ("newer", "20261102-1", "")
    assert publisher.mirror.bytes_sent(URL) == fetched
    assert sorted(here.versions()) == [1]
    listed = run_cli(["images", "list"], here.env)
    assert "newer: 20261102-1" in listed.stdout

    done = here.run("refresh", "--all")
    assert done["jobs"][0]["stage"] == "ready"
    new, old = here.image("debian-12"), here.image("debian-12@1")
    assert (new["version"], new["status"]["release"]) == (2, "20261102-1")
    assert blob(data_dir, new).read_bytes() == publisher.build(2).read_bytes()
    assert blob(data_dir, old).read_bytes() == publisher.build(1).read_bytes()
    assert old["status"]["release"] == "20261101-1"
    assert Path(old["status"]["path"]).read_bytes() == publisher.build(1).read_bytes()
    assert Path(new["status"]["path"]).name == "debian-12@2.qcow2"
    assert new["status"]["evidence"]["source"] == SUMS

    for number in (3, 4, 5):
        publisher.publish(number, named=number != 4)
        assert here.refresh()["outcome"] == "newer"
    wait_for_versions(here, [3, 4, 5])
    assert here.image("debian-12")["version"] == 5
    assert not blob(data_dir, old).exists()
    assert len([path for path in (data_dir / "blobs" / "sha256").rglob("*") if path.is_file()]) == 3


def wait_for_versions(here: Installation, wanted: list[int]) -> None:
    """Old versions go right after the download's end."""
    deadline = time.monotonic() + 20
    while (there := sorted(here.versions())) != wanted and time.monotonic() < deadline:
        pass
    assert there == wanted


def test_a_mirror_that_goes_back_or_goes_away_is_unknown_and_changes_nothing(
    publisher: Publisher, here: Installation
) -> None:
    publisher.publish(2, named=False)
    here.refresh("--keep", "1")
    wait_for_versions(here, [2])
    publisher.publish(1, named=False)
    back = here.refresh()
    assert (back["outcome"], back["jobId"]) == ("unknown", "")
    assert "which was here before" in back["message"]

    publisher.mirror.fault(SUMS, Status(404))
    gone = here.refresh()
    assert (gone["outcome"], gone["errorCode"]) == ("unknown", "import.not_found")
    assert "SHA512SUMS" in gone["message"]
    publisher.mirror.heal()
    publisher.mirror.remove(MANIFEST)
    publisher.publish(2, named=False)
    publisher.mirror.remove(MANIFEST)
    assert here.refresh()["outcome"] == "up_to_date"
    assert sorted(here.versions()) == [2]


def test_a_kill_in_the_middle_is_gone_on_from_and_the_name_moves_once(
    publisher: Publisher, here: Installation, data_dir: Path
) -> None:
    publisher.publish(2)
    half = publisher.build(2).stat().st_size // 2
    hold = HoldAt(half)
    publisher.mirror.fault(URL, hold)
    job = here.refresh("--keep", "1", "--no-wait")["jobId"]
    publisher.mirror.wait_for_bytes(URL, half)
    assert here.image("debian-12")["version"] == 1
    here.program.kill9()
    publisher.mirror.heal()
    hold.release()

    with Program.start(UP, here.env) as program:
        again = Installation(program, here.env)
        watched = rpc_stream(program.url, f"{IMAGES}/WatchImport", {"jobId": job}, token=program.token)
        assert list(watched)[-1]["status"] == "COMPLETED"
        assert again.image("debian-12")["version"] == 2
        wait_for_versions(again, [2])
        assert again.refresh()["outcome"] == "up_to_date"
        assert blob(data_dir, again.image("debian-12")).read_bytes() == publisher.build(2).read_bytes()


def test_a_vm_keeps_the_version_that_it_was_made_from(
    publisher: Publisher, here: Installation, data_dir: Path
) -> None:
    wish = {"name": "web", "spec": {"disks": [{"image": "debian-12"}], "memory": {"sizeMib": "128"}}}
    vm = here.call(f"{VMS}/CreateVM", wish)
    watched = rpc_stream(here.program.url, f"{VMS}/WatchVM", {"vmId": vm["id"]}, token=here.program.token)
    assert next(now for now in watched if now["status"]["state"] != "PROVISIONING")
    disk = data_dir / "vms" / vm["id"] / "disk.qcow2"
    before, base = here.image("debian-12"), backing_file(disk)

    for number in (2, 3):
        publisher.publish(number)
        here.refresh("--keep", "1")
    wait_for_versions(here, [1, 3])
    after = here.image("debian-12@1")
    assert (after["id"], after["status"]["digest"]) == (before["id"], before["status"]["digest"])
    assert after["status"]["path"] == before["status"]["path"]
    assert backing_file(disk) == base == blob(data_dir, before)
    assert base.read_bytes() == publisher.build(1).read_bytes()

    here.call(f"{VMS}/DeleteVM", {"id": vm["id"], "force": True})
    here.refresh("--keep", "1")
    wait_for_versions(here, [3])


def backing_file(disk: Path) -> Path:
    said = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(disk)], capture_output=True, check=True
    )
    return Path(json.loads(said.stdout)["full-backing-filename"]).resolve()
