"""A control plane behind its real doors, and a node behind its own, on loopback ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from image_library.controlplane.app import ControlPlaneHandle, run_control_plane
from image_library.controlplane.settings import Settings
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.vm_door import door as door
from tests.support.rpc import Json, RpcError, rpc, rpc_stream

IMAGES = "limiquantix.storage.v1.ImageService"
NODES = "limiquantix.compute.v1.NodeService"


@dataclass
class Caller:
    """A program that speaks Connect's JSON by plain HTTP."""

    handle: ControlPlaneHandle

    async def __call__(self, method: str, message: Json | None = None, **how: Any) -> Json:
        how = {"token": self.handle.token} | how
        return await asyncio.to_thread(rpc, self.handle.url, method, message, **how)

    async def refused(self, method: str, message: Json | None = None, **how: Any) -> RpcError:
        with pytest.raises(RpcError) as refused:
            await self(method, message, **how)
        return refused.value

    async def stream(self, method: str, message: Json) -> AsyncGenerator[Json]:
        found = rpc_stream(self.handle.url, method, message, token=self.handle.token)
        messages = cast("Generator[Json]", found)
        try:
            while (said := await asyncio.to_thread(next, messages, None)) is not None:
                yield said
        finally:
            await asyncio.to_thread(messages.close)

    async def ended(self, job_id: str) -> Json:
        """The job's last state, as its watchers see it."""
        last: Json = {}
        async with aclosing(self.stream(f"{IMAGES}/WatchImport", {"jobId": job_id})) as states:
            async for state in states:
                last = state
        return last

    async def register(self, node: FakeNodeDaemon, **more: Any) -> Json:
        said = {
            "hostname": "box",
            "agentEndpoint": node.endpoint,
            "nodeId": node.node_id,
            "architecture": "x86_64",
            "storeId": "s1",
        }
        return await self(f"{NODES}/RegisterNode", said | more)


@asynccontextmanager
async def control_plane(data_dir: Path, **changes: Any) -> AsyncGenerator[Caller]:
    facts: dict[str, Any] = {"data_dir": data_dir, "listen": "127.0.0.1:0"} | changes
    async with run_control_plane(Settings(**facts)) as handle:
        yield Caller(handle)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def call(data_dir: Path) -> AsyncGenerator[Caller]:
    async with control_plane(data_dir) as caller:
        yield caller


@pytest.fixture
async def node(call: Caller) -> AsyncGenerator[FakeNodeDaemon]:
    """A node that has registered."""
    daemon = FakeNodeDaemon(token=call.handle.join_token)
    async with daemon.serving():
        await call.register(daemon)
        yield daemon


def reason(error: RpcError) -> str:
    """The ErrorInfo's reason, read from the details' own bytes."""
    import base64

    from limiquantix.errors.google.rpc.error_details_pb import ErrorInfo

    [packed] = [d["value"] for d in error.details if d["type"] == "google.rpc.ErrorInfo"]
    return ErrorInfo.from_binary(base64.b64decode(packed + "==")).reason
