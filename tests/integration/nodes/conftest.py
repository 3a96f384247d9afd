"""A control plane and several nodes as programs, with quick heartbeats and a stream of what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.node_images import Qcow2
from tests.integration.files.conftest import CONTROL_PLANE, Farm
from tests.support.processes import Program
from tests.support.rpc import Json, rpc, rpc_stream

IMAGES = "limiquantix.storage.v1.ImageService"
NODES = "limiquantix.compute.v1.NodeService"
BLOB = Qcow2().file()
DIGEST = hashlib.sha256(BLOB).hexdigest()


class Site(Farm):
    """The farm, with heartbeats each second, and what its control plane says."""

    def call(self, method: str, message: Json | None = None, *, token: str = "") -> Json:
        return rpc(self.control_plane.url, method, message, token=token or self.control_plane.token)

    @property
    def join_token(self) -> str:
        return (self.root / "control-plane" / "data" / "join-token").read_text().strip()

    def node(self, name: str) -> Json:
        return self.call(f"{NODES}/GetNode", {"id": name})

    def image(self, name: str) -> Json:
        return self.call(f"{IMAGES}/GetImage", {"id": name})

    def until(self, kind: str, happened: Callable[[Json], bool]) -> Json:
        """What the library says of a node or an image once it is so; followed, not polled."""
        stream = rpc_stream(
            self.control_plane.url,
            f"{IMAGES}/WatchLibrary",
            {"kinds": [kind]},
            token=self.control_plane.token,
            timeout=30,
        )
        for change in stream:
            if kind in change and happened(change[kind]):
                return change[kind]
        raise AssertionError("the stream of changes has ended")

    def until_node(self, name: str, phase: str) -> Json:
        return self.until("node", lambda n: n["hostname"] == name and n["status"].get("phase") == phase)

    def until_image(self, happened: Callable[[dict[str, str]], bool]) -> Json:
        """The first image whose copies, as the state by the node's host name, are so."""
        return self.until("image", lambda image: happened(self.copies(image)))

    def copies(self, image: Json) -> dict[str, str]:
        names = {node["id"]: node["hostname"] for node in self.call(f"{NODES}/ListNodes")["nodes"]}
        return {names[p["nodeId"]]: p["state"] for p in image["status"].get("placements", ())}

    def give_blob(self, name: str) -> Path:
        """Put a whole blob where the node, when it starts, finds and adopts it."""
        path = self.data(name) / "blobs" / "sha256" / DIGEST[:2] / DIGEST
        path.parent.mkdir(parents=True)
        path.write_bytes(BLOB)
        return path

    def give_file(self, name: str, filename: str) -> Path:
        path = self.data(name) / "cloud-images" / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Qcow2(virtual_size=2 << 30).file())
        return path

    def restart_control_plane(self) -> None:
        """Under the same address, as after a crash."""
        listen = self.control_plane.url.removeprefix("http://")
        again = Program.start((*CONTROL_PLANE[:-1], listen), self.env)
        self.control_plane = self.stack.enter_context(again)

    def _environment(self, name: str) -> dict[str, str]:
        return super()._environment(name) | {"LIMIQUANTIX_HEARTBEAT_SECONDS": "1"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)
