"""A control plane that serves, with one node and one image: for tests of VMs and profiles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from image_library.controlplane.app import ControlPlaneHandle, run_control_plane
from image_library.controlplane.settings import Settings
from tests.fakes.control_values import DIGEST
from tests.fakes.grpc_vm_node import GrpcVmNode, serving
from tests.support.rpc import Json, RpcError, rpc

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
JOIN = "join-token-of-the-test"
GOLDEN = "/data/cloud-images/golden.qcow2"


@dataclass
class Door:
    """A control plane that serves, and its one node with one image on it."""

    plane: ControlPlaneHandle
    node: GrpcVmNode

    async def call(self, method: str, message: Json | None = None, *, token: str | None = None) -> Json:
        shown = self.plane.token if token is None else token
        name = f"limiquantix.{method}" if method.count(".") else f"limiquantix.compute.v1.VMService/{method}"
        return await asyncio.to_thread(rpc, self.plane.url, name, message, token=shown)

    async def create(self, name: str = "web", **cloud_init: Any) -> Json:
        return await self.call("CreateVM", wish(name, **cloud_init))

    async def refused(self, method: str, message: Json) -> tuple[str, str]:
        """The code and the reason of the refusal, once it is whole: a sentence and its details."""
        with pytest.raises(RpcError) as refused:
            await self.call(method, message)
        error = refused.value
        assert "Traceback" not in error.message
        debug = [d.get("debug", {}) for d in error.details if d["type"] == "google.rpc.ErrorInfo"]
        return error.code, debug[0].get("reason", "") if debug else ""


def wish(name: str = "web", image: str = "golden", **cloud_init: Any) -> Json:
    method = {"cloudInit": cloud_init} if cloud_init else {}
    spec: Json = {"disks": [{"image": image}], "provisioning": method}
    return {"name": name, "spec": spec, "startOnCreate": True}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Door]:
    settings = Settings(data_dir=tmp_path, listen="127.0.0.1:0", join_token=JOIN)
    node = GrpcVmNode(join_token=JOIN)
    async with serving(node), run_control_plane(settings) as plane:
        made = Door(plane, node)
        registered = await made.call(
            "compute.v1.NodeService/RegisterNode",
            {"hostname": "node-a", "agentEndpoint": node.endpoint, "nodeId": "node-a-id"},
            token=JOIN,
        )
        image = {
            "path": GOLDEN,
            "filename": "golden.qcow2",
            "sizeBytes": "1000",
            "virtualSizeBytes": str(3 << 30),
            "format": "qcow2",
            "checksum": DIGEST,
            "detectedOs": {"family": "LINUX", "distribution": "debian", "defaultUser": "debian"},
        }
        report = {"nodeId": registered["id"], "images": [image]}
        await made.call("storage.v1.ImageService/ScanLocalImages", report, token=JOIN)
        yield made
