"""A node's daemon as a process of its own, to be killed. Its control plane is never there."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import aio

from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceClient

ROOT = Path(__file__).parents[2]
TOKEN = "join-token-of-the-test"
_PROGRAM = """
import asyncio, sys
from pathlib import Path
from image_library.node.app import run_node
from image_library.node.settings import Settings

async def main():
    settings = Settings(
        data_dir=Path(sys.argv[1]), mirror=tuple(filter(None, [sys.argv[2]])), join_token=sys.argv[3],
        control_plane_url="http://127.0.0.1:9",
    )
    async with run_node(settings) as node:
        print(node.endpoint, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(frozen=True, kw_only=True)
class NodeProcess:
    process: asyncio.subprocess.Process
    client: NodeDaemonServiceClient
    metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {TOKEN}"),)

    async def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def node_process(data_dir: Path, *, mirror: str) -> AsyncGenerator[NodeProcess]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, str(data_dir), mirror, TOKEN),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert process.stdout is not None
        while not (line := (await process.stdout.readline()).decode().strip()).startswith("127.0.0.1:"):
            assert line, "the daemon ended before it served"
        async with aio.insecure_channel(line) as channel:
            yield NodeProcess(process=process, client=NodeDaemonServiceClient(channel))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
