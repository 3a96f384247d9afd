"""Real disks that fail and file systems that become read-only, as operators and their programs meet it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.fakes.node_images import Qcow2
from tests.integration.nodes.conftest import IMAGES, NODES, Site
from tests.support.mirror import Mirror
from tests.support.processes import Program, run_cli
from tests.support.rpc import Json, RpcError, rpc_stream

VMS = "limiquantix.compute.v1.VMService"
DEBIAN = "https://cloud.debian.org/images/cloud/bookworm/latest"
NAME = "debian-12-generic-amd64.qcow2"
BLOB, OTHER = Qcow2().file(), Qcow2(virtual_size=2 << 30).file()
# The store on a file system of its own; journal and lock, which stay open for writing, and the VMs elsewhere.
MOUNTED = """set -e
data="$LIMIQUANTIX_DATA_DIR" beside="$LIMIQUANTIX_DATA_DIR.beside"
mkdir -p "$data" "$beside/vms"
mount -t tmpfs -o size=2g store "$data"
ln -s "$beside/journal.db" "$data/journal.db"
ln -s "$beside/node.lock" "$data/node.lock"
mkdir -m 700 "$data/vms"
mount --bind "$beside/vms" "$data/vms"
exec "$@"
"""
NAMESPACE = ("unshare", "--mount", "--propagation", "private")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror, ExitStack() as stack:
        mirror.put(f"{DEBIAN}/{NAME}", BLOB)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{hashlib.sha512(BLOB).hexdigest()}  {NAME}\n".encode())
        yield Site(tmp_path, stack, mirror=mirror.base_url)


@pytest.fixture
def namespace() -> tuple[str, ...]:
    tried = subprocess.run(
        [*NAMESPACE, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
    return (*NAMESPACE, "sh", "-c", MOUNTED, "sh")


def remount(node: Program, how: str, path: Path) -> None:
    command = ["nsenter", "--target", str(node.pid), "--mount", "mount", "-o", f"remount,{how}", str(path)]
    subprocess.run(command, check=True, capture_output=True)


def download(site: Site, name: str = "") -> Json:
    return site.call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12", "imageName": name})


def refused(site: Site, method: str, message: Json) -> RpcError:
    with pytest.raises(RpcError) as caught:
        site.call(method, message)
    return caught.value


def degraded(site: Site, *, trouble: str) -> Json:
    """The node once it is so ("": once it is well)."""

    def is_so(node: Json) -> bool:
        return node["status"].get("degraded", {}).get("trouble", "") == trouble

    return site.until("node", lambda node: node["hostname"] == "alpha" and is_so(node))


def ended(site: Site, job_id: str) -> Json:
    """The job's last state."""
    control = site.control_plane
    states = rpc_stream(
        control.url, f"{IMAGES}/WatchImport", {"jobId": job_id}, token=control.token, timeout=60
    )
    return list(states)[-1]


def cli(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return run_cli((*words, "--server", site.control_plane.url), site.env)


def test_a_read_only_store_gives_what_it_has_and_takes_nothing(
    site: Site, namespace: tuple[str, ...]
) -> None:
    node = site.start_node("alpha", inside=namespace)
    assert ended(site, download(site)["jobId"])["status"] == "COMPLETED"
    remount(node, "ro", site.data("alpha"))
    said = degraded(site, trouble="read-only")
    assert said["status"]["phase"] == "READY"
    wanted = {"name": "other", "url": f"{DEBIAN}/{NAME}"}
    error = refused(site, f"{IMAGES}/ImportImage", wanted)
    assert (error.code, error.status) == ("failed_precondition", 400)
    assert "degraded (read-only): The file system is read-only." in error.message
    shown = cli(site, "nodes", "list")
    assert "degraded" in shown.stdout
    assert "read-only: The file system is read-only." in shown.stdout
    # What is there is there, and a VM that needs no writes to the store starts.
    assert "jobId" in download(site)
    vm = site.call(f"{VMS}/CreateVM", {"name": "web-1", "spec": {"disks": [{"image": "debian-12"}]}})
    started = site.call(f"{VMS}/StartVM", {"id": vm["id"]})
    assert started["status"]["state"] == "RUNNING"
    site.call(f"{VMS}/StopVM", {"id": vm["id"], "force": True})
    remount(node, "rw", site.data("alpha"))
    degraded(site, trouble="")
    job = site.call(f"{IMAGES}/ImportImage", wanted)
    assert ended(site, job["jobId"])["status"] == "COMPLETED"


@contextmanager
def failing_sync(process: Program) -> Generator[None]:
    """The next fsync of the process fails, once."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    inject = ("-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1")
    command = ["strace", "-f", "-o", "/dev/null", *inject, "-p", str(process.pid)]
    tracing = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracing.stderr is not None
        first = tracing.stderr.readline()
        if "attached" not in first:
            pytest.skip(f"nothing can be traced here: {first.strip()}")
        yield
    finally:
        tracing.terminate()
        tracing.communicate()


def test_one_failed_sync_stops_all_writing_until_an_operator_says_so(site: Site) -> None:
    node = site.start_node("alpha")
    with failing_sync(node):
        job = ended(site, download(site)["jobId"])
        assert (job["status"], job["errorCode"]) == ("FAILED", "storage.io_error")
        degraded(site, trouble="failing")
    assert list((site.data("alpha") / "parts").iterdir()) == []
    error = refused(site, f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"})
    assert (error.code, error.status) == ("failed_precondition", 400)
    # It is remembered where it happened, and a blob without a record is not taken up meanwhile.
    node.kill9()
    orphan = hashlib.sha256(OTHER).hexdigest()
    path = site.data("alpha") / "blobs" / "sha256" / orphan[:2] / orphan
    path.parent.mkdir(parents=True)
    path.write_bytes(OTHER)
    site.start_node("alpha")
    assert site.node("alpha")["status"]["degraded"]["trouble"] == "failing"
    retry = refused(site, f"{IMAGES}/RetryImport", {"jobId": job["jobId"]})
    assert "limiquantix nodes resume alpha" in retry.message
    assert all("digest" not in image["status"] for image in site.call(f"{IMAGES}/ListImages")["images"])
    told = cli(site, "nodes", "resume", "alpha")
    assert (told.returncode, told.stderr.strip()) == (0, "alpha writes to its store again.")
    assert "degraded" not in site.node("alpha")["status"]
    again = site.call(f"{IMAGES}/RetryImport", {"jobId": job["jobId"]})
    assert ended(site, again["jobId"])["status"] == "COMPLETED"
    site.until("image", lambda image: image["status"].get("digest") == f"sha256:{orphan}")
    # Whoever says it of a node that is well changes nothing.
    assert site.call(f"{NODES}/ResumeNode", {"id": "alpha"})["hostname"] == "alpha"


def test_what_is_read_again_is_told(site: Site) -> None:
    site.start_node("alpha")
    assert ended(site, download(site)["jobId"])["status"] == "COMPLETED"
    shown = cli(site, "nodes", "show", "alpha")
    assert "last damage" in shown.stdout
    assert "none found" in shown.stdout
