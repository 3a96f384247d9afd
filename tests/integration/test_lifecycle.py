"""A control plane and a node, both real: an operator's file becomes a version, is used, and goes."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import hashlib
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from image_library.controlplane.app import run_control_plane
from image_library.controlplane.settings import Settings as ControlPlaneSettings
from image_library.node.app import run_node
from image_library.node.settings import Settings as NodeSettings
from tests.rpc.conftest import IMAGES, NODES, Caller, reason

VMS = "limiquantix.compute.v1.VMService"


class Site:
    """One control plane whose node comes and goes."""

    def __init__(self, root: Path, call: Caller) -> None:
        self.data = root / "node"
        self.call = call

    @asynccontextmanager
    async def node(self) -> AsyncGenerator[None]:
        settings = NodeSettings(
            data_dir=self.data,
            control_plane_url=self.call.handle.url,
            join_token=self.call.handle.join_token,
            hostname="box",
        )
        async with run_node(settings, environment={}) as node:
            await node.established.wait()
            yield

    def put(self, name: str) -> Path:
        path = self.data / "cloud-images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M", path], check=True)
        return path

    async def stopped(self, name: str) -> dict[str, Any]:
        """The VM, once it is made and at rest."""
        async with aclosing(self.call.stream(f"{VMS}/WatchVM", {"vmId": name})) as states:
            async for vm in states:
                if vm["status"]["state"] == "STOPPED":
                    return vm
        raise AssertionError(f"{name} was deleted")

    async def image(self, name: str) -> dict[str, Any]:
        return await self.call(f"{IMAGES}/GetImage", {"id": name})


@asynccontextmanager
async def site(root: Path) -> AsyncGenerator[Site]:
    settings = ControlPlaneSettings(data_dir=root / "control", listen="127.0.0.1:0", heartbeat_seconds=1)
    async with AsyncExitStack() as stack:
        handle = await stack.enter_async_context(run_control_plane(settings))
        yield Site(root, Caller(handle))


async def test_an_operators_file_is_adopted_used_freed_and_deleted(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        path = there.put("debian-12-genericcloud-amd64.qcow2")
        digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        async with there.node():
            wish = {"name": "web", "spec": {"disks": [{"image": path.stem}]}}
            made = await there.call(f"{VMS}/CreateVM", wish)
            assert (await there.call.ended(made["status"]["jobId"]))["status"] == "COMPLETED"
            image = await there.image(path.stem)
            assert (image["status"]["digest"], image["status"]["path"]) == (digest, str(path))
            vm = await there.stopped("web")
            assert vm["status"]["imageDigest"] == digest
            delete = {"id": path.stem, "cascade": "CASCADE_FLATTEN", "etag": image["etag"]}
            assert await there.call(f"{IMAGES}/DeleteImage", delete) == {}
            assert not path.exists()
            disk = there.data / "vms" / vm["id"] / "disk-1.qcow2"
            assert "verification failed" not in pattern_of(disk)
            assert await there.call(f"{IMAGES}/ListImages") == {}


async def test_a_node_that_was_away_removes_what_was_deleted_meanwhile(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        path = there.put("golden.qcow2")
        async with there.node():
            job = await there.call(f"{IMAGES}/AdoptImage", {"image": "golden"})
            await there.call.ended(job["jobId"])
        assert await there.call(f"{IMAGES}/DeleteImage", {"id": "golden"}) == {}
        gone = await there.call.refused(f"{IMAGES}/GetImage", {"id": "golden"})
        assert reason(gone) == "IMAGE_UNKNOWN"
        assert path.exists()
        async with there.node():
            blobs = there.data / "blobs" / "sha256"
            async for change in _looks(there):
                if not list(blobs.glob("*/*")):
                    break
                assert change
            assert (path.exists(), await there.call(f"{IMAGES}/ListImages")) == (False, {})


def pattern_of(disk: Path) -> str:
    """What qemu-io says when it looks for the file's bytes on a disk."""
    command = ["qemu-io", "-f", "qcow2", "-c", "read -P 7 0 1M", disk]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def _looks(there: Site) -> AsyncGenerator[dict[str, Any]]:
    """A new look at the node whenever it has been heard again."""
    while True:
        yield await there.call(f"{NODES}/GetNode", {"id": "box"})


async def test_garbage_is_found_on_a_real_node(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        there.put("golden.qcow2")
        async with there.node():
            dead = there.data / "cloud-images" / "dead.qcow2"
            dead.symlink_to(f"../blobs/sha256/00/{'0' * 64}")
            looked = await there.call(f"{IMAGES}/CollectGarbage", {"dryRun": True})
            assert [(item["kind"], item["name"]) for item in looked["items"]] == [("link", "dead.qcow2")]
            assert dead.is_symlink()
            assert await there.call(f"{IMAGES}/CollectGarbage") == looked
            assert not dead.is_symlink()
            assert await there.call(f"{IMAGES}/CollectGarbage") == {}
            assert (await there.image("golden"))["status"]["phase"] == "READY"
