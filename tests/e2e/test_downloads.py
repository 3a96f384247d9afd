"""Downloads by the real programs from a mirror that misbehaves: they go on or refuse, nothing between."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.support.mirror import Mirror
from tests.support.mirror_faults import Corrupt, HoldAt, Html, Status
from tests.support.processes import Program, environment, run_cli
from tests.support.publisher import Publication
from tests.support.rpc import rpc, rpc_stream

VMS = "limiquantix.compute.v1.VMService"
IMAGES = "limiquantix.storage.v1.ImageService"
MIB = 1 << 20
UP = ("up", "--json", "--listen", "127.0.0.1:0")


def download(program: Program) -> str:
    answer = rpc(program.url, f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}, token=program.token)
    return str(answer["jobId"])


def the_end_of(program: Program, job: str) -> dict[str, Any]:
    told = rpc_stream(program.url, f"{IMAGES}/WatchImport", {"jobId": job}, token=program.token, timeout=120)
    return list(told)[-1]


def images(program: Program) -> list[dict[str, Any]]:
    return rpc(program.url, f"{IMAGES}/ListImages", token=program.token).get("images", [])


def the_vm_that_waits(program: Program) -> dict[str, Any]:
    """The state in which a VM ends whose image cannot be had."""
    request = {"name": "vm", "spec": {"disks": [{"image": "debian-12"}]}}
    vm = rpc(program.url, f"{VMS}/CreateVM", request, token=program.token)
    assert vm["status"]["state"] == "PROVISIONING"
    told = rpc_stream(program.url, f"{VMS}/WatchVM", {"vmId": vm["id"]}, token=program.token, timeout=60)
    return next(now["status"] for now in told if now["status"]["state"] != "PROVISIONING")


def published(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "blobs" / "sha256").rglob("*") if path.is_file()]


def test_a_download_goes_on_by_itself_after_a_kill(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    half = debian.image.stat().st_size // 2
    hold = HoldAt(half)
    mirror.fault(debian.url, hold)
    with Program.start(UP, env) as program:
        job = download(program)
        mirror.wait_for_bytes(debian.url, half)
        assert images(program)[0]["status"]["phase"] in {"PENDING", "DOWNLOADING"}
        program.kill9()
    mirror.heal()
    hold.release()

    with Program.start(UP, env) as program:
        assert the_end_of(program, job)["status"] == "COMPLETED"
        (image,) = images(program)
    assert image["status"]["phase"] == "READY"
    (blob,) = published(data_dir)
    assert blob.read_bytes() == debian.image.read_bytes()
    resumed = mirror.exchanges(debian.url)[-1]
    assert resumed.range is not None
    fetched_again = mirror.bytes_sent(debian.url) - debian.image.stat().st_size
    # What lay in sockets and memory when the process died is fetched again; the rest was on disk.
    assert fetched_again < 24 * MIB
    assert list((data_dir / "parts").iterdir()) == []


def test_one_wrong_byte_is_refused_and_nothing_is_published(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    mirror.fault(debian.url, Corrupt(debian.image.stat().st_size - 4096))
    with Program.start(UP, env) as program:
        end = the_end_of(program, download(program))
        assert (end["status"], end["errorCode"]) == ("FAILED", "verify.digest_mismatch")
        assert debian.sha512 in end["errorMessage"]
        refused = run_cli(["images", "download", "debian-12"], env, timeout=120)
        assert refused.returncode == 9
        assert "do not use" in refused.stderr
        assert [image["status"]["phase"] for image in images(program)] == ["ERROR"]
        assert the_vm_that_waits(program)["errorCode"] == "verify.digest_mismatch"
    assert published(data_dir) == []
    assert list((data_dir / "cloud-images").glob("[!.]*")) == []
    assert list((data_dir / "parts").iterdir()) == []


def test_a_web_page_instead_of_an_image_is_named_as_one(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    mirror.fault(debian.url, Html())
    with Program.start(UP, env) as program:
        end = the_end_of(program, download(program))
    assert (end["status"], end["errorCode"]) == ("FAILED", "image.not_an_image")
    assert published(data_dir) == []


def test_a_missing_checksum_file_publishes_nothing(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    mirror.fault(debian.checksum_url, Status(404))
    with Program.start(UP, env) as program:
        end = the_end_of(program, download(program))
        assert (end["status"], end["errorCode"]) == ("FAILED", "import.not_found")
        assert "SHA512SUMS" in end["errorMessage"]
    assert mirror.exchanges(debian.url) == []


def test_two_who_ask_share_one_download(mirror: Mirror, debian: Publication, data_dir: Path) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    hold = HoldAt(1 * MIB)
    mirror.fault(debian.url, hold)
    with Program.start(UP, env) as program:
        first, second = download(program), download(program)
        hold.release()
        assert first == second
        assert the_end_of(program, first)["status"] == "COMPLETED"
        assert len([e for e in mirror.exchanges(debian.url) if e.sent > MIB]) == 1
        listed = run_cli(["--json", "images", "list"], env)
    (image,) = json.loads(listed.stdout)["images"]
    assert image["status"]["trust"] == "TRUST_LEVEL_CHECKSUM"


def test_programs_started_apart_find_each_other(mirror: Mirror, debian: Publication, data_dir: Path) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    node_env = env | {"LIMIQUANTIX_DATA_DIR": str(data_dir.parent / "node")}
    with Program.start(("controlplane", "--json", "--listen", "127.0.0.1:0"), env) as program:
        token = str(data_dir / "join-token")
        node = ("node", "--json", "--control-plane", program.url, "--join-token-file", token)
        with Program.start(node, node_env):
            listed = run_cli(["--json", "nodes", "list"], env)
            assert [n["status"]["phase"] for n in json.loads(listed.stdout)["nodes"]] == ["READY"]
            assert the_end_of(program, download(program))["status"] == "COMPLETED"
    assert len(published(data_dir.parent / "node")) == 1


def test_a_frozen_node_is_said_to_be_away_and_goes_on(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    node_env = env | {"LIMIQUANTIX_DATA_DIR": str(data_dir.parent / "node")}
    hold = HoldAt(16 * MIB)
    mirror.fault(debian.url, hold)
    with Program.start(("controlplane", "--json", "--listen", "127.0.0.1:0"), env) as program:
        token = str(data_dir / "join-token")
        command = ("node", "--json", "--control-plane", program.url, "--join-token-file", token)
        with Program.start(command, node_env) as node:
            job = download(program)
            mirror.wait_for_bytes(debian.url, 16 * MIB)
            os.kill(node.pid, signal.SIGSTOP)
            try:
                watched = {"jobId": job}
                told = rpc_stream(program.url, f"{IMAGES}/WatchImport", watched, token=program.token)
                assert "node" in next(now["waitingFor"] for now in told if now.get("waitingFor"))
            finally:
                os.kill(node.pid, signal.SIGCONT)
            hold.release()
            assert the_end_of(program, job)["status"] == "COMPLETED"


def test_a_node_finishes_alone_when_the_control_plane_dies(
    mirror: Mirror, debian: Publication, data_dir: Path
) -> None:
    env = environment(data_dir, mirror=mirror.base_url)
    node_env = env | {"LIMIQUANTIX_DATA_DIR": str(data_dir.parent / "node")}
    hold = HoldAt(16 * MIB)
    mirror.fault(debian.url, hold)
    control_plane = ["controlplane", "--json", "--listen"]
    with Program.start([*control_plane, "127.0.0.1:0"], env) as program:
        token = str(data_dir / "join-token")
        command = ("node", "--json", "--control-plane", program.url, "--join-token-file", token)
        with Program.start(command, node_env):
            job = download(program)
            mirror.wait_for_bytes(debian.url, 16 * MIB)
            program.kill9()
            hold.release()
            mirror.wait_for_bytes(debian.url, debian.image.stat().st_size)
            where = program.url.removeprefix("http://")
            with Program.start([*control_plane, where], env) as again:
                assert the_end_of(again, job)["status"] == "COMPLETED"
                assert images(again)[0]["status"]["phase"] == "READY"
    assert len([e for e in mirror.exchanges(debian.url) if e.sent > MIB]) == 1
