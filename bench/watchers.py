"""A thousand watchers of one download: whether each sees the end, how soon, and what that costs the server.

Starts a real control plane as a process of its own and plays the one node that downloads. The watchers are
streams of Connect in another process; some of them are slow: they read their first message and nothing more
until the download has ended.

    python bench/watchers.py [--watchers 1000] [--slow 100] [--seconds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.control_plane import Server  # noqa: E402
from image_library.domain.job import JobState  # noqa: E402
from image_library.domain.progress import Progress  # noqa: E402
from tests.fakes.control_values import a_published_image  # noqa: E402
from tests.fakes.node_daemon import FakeNodeDaemon  # noqa: E402
from tests.support.rpc import rpc  # noqa: E402

MOST_MIB = 300
IMAGES = "limiquantix.storage.v1.ImageService"
NODES = "limiquantix.compute.v1.NodeService"
ENDS = ("COMPLETED", "FAILED")
_ENVELOPE = struct.Struct(">BI")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=100, help="how many of them do not read meanwhile")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the download")
    parser.add_argument("--child", nargs=3, metavar=("URL", "TOKEN", "JOB"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asyncio.run(watch_all(given))
        return
    for method in ("WatchImport", "WatchLibrary"):
        with tempfile.TemporaryDirectory(prefix="bench-watchers-") as folder:
            server = Server(Path(folder) / "data")
            try:
                asyncio.run(play(server, method, given))
            finally:
                server.stop()


async def play(server: Server, method: str, given: argparse.Namespace) -> None:
    """One download from its start to its end, with everybody watching."""
    node = FakeNodeDaemon(token=server.join_token)
    async with node.serving():
        box = {"hostname": "box", "agentEndpoint": node.endpoint, "nodeId": node.node_id}
        await call(server, f"{NODES}/RegisterNode", box | {"architecture": "x86_64", "storeId": "s1"})
        job_id = (await call(server, f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}))["jobId"]
        await node.downloading(job_id)
        idle = server.resident_mib()
        watchers = await started(server, method, job_id, given)
        before, began, updates, most = server.cpu(), time.monotonic(), 0, 0.0
        record = node.journal[job_id]
        while time.monotonic() - began < given.seconds:
            updates += 1
            record = record.evolve(state=JobState.FETCHING, progress=Progress(done=updates, total=10**6))
            node.say(record)
            most = max(most, server.resident_mib())
            # As often as a node tells of its progress at the most.
            await asyncio.sleep(0.2)
        cpu, took = server.cpu() - before, time.monotonic() - began
        ended_at = time.time()
        node.say(record.evolve(state=JobState.READY, published=a_published_image()))
        assert watchers.stdin is not None
        watchers.stdin.write(f"{ended_at}\n".encode())
        out, _ = await watchers.communicate()
        said = json.loads(out)
        most = max(most, server.resident_mib())
    print(
        f"{method}: {given.watchers} watchers, {given.slow} of them slow, {updates} updates in {took:.0f} s"
    )
    print(f"  saw the end                {said['ended']:8d} of {given.watchers}")
    print(f"  the last of them after     {said['latest']:8.2f} s")
    print(f"  messages to a quick one    {said['quick']:8.0f}")
    print(f"  messages to a slow one     {said['slow']:8.0f} at most")
    print(f"  server's CPU               {cpu / took:8.2f} cores")
    print(f"  memory for the watchers    {most - idle:8.1f} MiB")
    print(f"  memory in all              {most:8.1f} MiB = {most / MOST_MIB:.2f} x {MOST_MIB} MiB")
    if said["ended"] != given.watchers:
        raise SystemExit("not everybody saw the end")


async def call(server: Server, method: str, message: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(rpc, server.url, method, message, token=server.token)


async def started(
    server: Server, method: str, job_id: str, given: argparse.Namespace
) -> asyncio.subprocess.Process:
    """The process of the watchers, once each of them has heard something."""
    words = ["--watchers", str(given.watchers), "--slow", str(given.slow)]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, *words, "--child", server.url, server.token, f"{method}/{job_id}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"open\n", "the watchers did not get their first messages"
    return child


@dataclass
class Watcher:
    """One stream."""

    method: str
    job_id: str
    slow: bool
    heard: int = 0
    ended_at: float = 0.0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, url: str, token: str, go_on: asyncio.Event) -> None:
        parts = urlsplit(url)
        # Small buffers: what a slow watcher leaves unread stays with the server.
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
        try:
            writer.write(self._request(parts.netloc, token))
            await reader.readuntil(b"\r\n\r\n")
            while not self.ended_at:
                for message in await _chunk(reader):
                    self._hear(message)
                self.open.set()
                if self.slow:
                    await go_on.wait()
        finally:
            writer.close()

    def _request(self, host: str, token: str) -> bytes:
        asked = {"jobId": self.job_id} if self.method == "WatchImport" else {"sinceSequence": "0"}
        data = json.dumps(asked).encode()
        body = _ENVELOPE.pack(0, len(data)) + data
        head = (
            f"POST /{IMAGES}/{self.method} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/connect+json\r\nConnect-Protocol-Version: 1\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _hear(self, message: bytes) -> None:
        self.heard += 1
        if any(f'"{end}"'.encode() in message for end in ENDS):
            self.ended_at = time.time()


async def _chunk(reader: asyncio.StreamReader) -> list[bytes]:
    """The whole messages of one HTTP chunk: the server sends each message in its own."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    data = await reader.readexactly(size + 2)
    if not size:
        raise SystemExit("a stream ended before the download")
    messages: list[bytes] = []
    while len(data) > _ENVELOPE.size:
        _, length = _ENVELOPE.unpack_from(data)
        messages.append(data[_ENVELOPE.size : _ENVELOPE.size + length])
        data = data[_ENVELOPE.size + length :]
    return messages


async def watch_all(given: argparse.Namespace) -> None:
    url, token, what = given.child
    method, _, job_id = what.partition("/")
    go_on = asyncio.Event()
    watchers = [Watcher(method, job_id, slow=n < given.slow) for n in range(given.watchers)]
    async with asyncio.TaskGroup() as group:
        for watcher in watchers:
            group.create_task(watcher.watch(url, token, go_on))
        for watcher in watchers:
            await watcher.open.wait()
        print("open", flush=True)
        ended_at = float(await asyncio.to_thread(sys.stdin.readline))
        # The slow ones look again only when all is over.
        await asyncio.sleep(1.0)
        go_on.set()
    slow, quick = [w.heard for w in watchers if w.slow], [w.heard for w in watchers if not w.slow]
    latest = max((w.ended_at for w in watchers if not w.slow), default=ended_at) - ended_at
    told = {"ended": sum(w.ended_at > 0 for w in watchers), "latest": latest}
    print(json.dumps(told | {"quick": max(quick, default=0), "slow": max(slow, default=0)}))


if __name__ == "__main__":
    main()
