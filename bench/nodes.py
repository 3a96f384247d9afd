"""A thousand nodes over the wire: how soon all are reconciled, and what their heartbeats cost.

Starts a real control plane as a process of its own, and plays the nodes from here: registrations, inventories
and heartbeats through Connect, as node daemons send them. Of its images each node has most in common with all
others, and a few files of its own whose names every node has. The server's own CPU time is measured.

    python bench/nodes.py [--nodes 1000] [--images 20] [--beat-seconds 30] [--files 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import aiohttp  # noqa: E402
from protobuf import Message  # noqa: E402

from bench.control_plane import Server  # noqa: E402
from image_library.domain.inventory import Inventory, ReportedImage  # noqa: E402
from image_library.domain.node import Heartbeat, Registration  # noqa: E402
from image_library.wire.heartbeat import heartbeat_to_wire  # noqa: E402
from image_library.wire.inventory import inventory_to_wire  # noqa: E402
from image_library.wire.node import registration_to_wire  # noqa: E402
from limiquantix.compute.v1.node_pb import Node, UpdateHeartbeatResponse  # noqa: E402
from limiquantix.storage.v1.image_pb import ScanLocalImagesResponse  # noqa: E402

A = TypeVar("A", bound=Message)
MOST_SECONDS = 60.0
MOST_CORE = 0.20
# What the nodes do at the same time; each node has one connection and waits for its answers.
TOGETHER = 64
OWN_FILES = 4
_NODES = "limiquantix.compute.v1.NodeService"
_IMAGES = "limiquantix.storage.v1.ImageService"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=20, help="of each node")
    parser.add_argument("--beat-seconds", type=float, default=30.0, help="how long to send heartbeats")
    parser.add_argument("--files", type=int, default=10_000, help="of the one node that has many")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-nodes-") as folder:
        data_dir = Path(folder) / "data"
        server = Server(data_dir)
        try:
            asyncio.run(play(server, given))
            server.restart()
            asyncio.run(play_again(server, given))
        finally:
            server.stop()


class Caller:
    """Connect's unary calls in protobuf, over connections that are kept."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._headers = {
            "authorization": f"Bearer {server.join_token}",
            "content-type": "application/proto",
            "connect-protocol-version": "1",
        }
        connector = aiohttp.TCPConnector(limit=TOGETHER, keepalive_timeout=2)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120))

    async def call(self, method: str, request: Message, answer: type[A]) -> A:
        async with self._session.post(
            f"{self._url}/{method}", data=request.to_binary(), headers=self._headers
        ) as response:
            body = await response.read()
            if response.status != 200:
                raise SystemExit(f"{method} answered {response.status}: {body.decode(errors='replace')}")
            return answer.from_binary(body)

    async def close(self) -> None:
        await self._session.close()


async def play(server: Server, given: argparse.Namespace) -> None:
    caller = Caller(server)
    numbers = range(given.nodes)
    try:
        await measured(server, "registered", each(numbers, lambda n: register(caller, n)), given.nodes)
        report = each(numbers, lambda n: tell(caller, inventory(n, given.images, sequence=1)))
        took = await measured(server, "first inventories", report, given.nodes)
        show("reconciled, all nodes", took, MOST_SECONDS, "s")
        again = each(numbers, lambda n: tell(caller, inventory(n, given.images, sequence=2)))
        await measured(server, "unchanged inventories", again, given.nodes)
        late = each(numbers, lambda n: tell(caller, inventory(n, given.images, sequence=1)))
        await measured(server, "late duplicates", late, given.nodes)
        first = each(numbers, lambda n: beat(caller, n, used=0))
        await measured(server, "first heartbeats", first, given.nodes)
        await beats(server, caller, given)
        await many_files(server, caller, given.files)
    finally:
        await caller.close()


async def play_again(server: Server, given: argparse.Namespace) -> None:
    """After a restart of the control plane everybody reports what it knows already."""
    caller = Caller(server)
    numbers = range(given.nodes)
    try:
        await measured(server, "registered again", each(numbers, lambda n: register(caller, n)), given.nodes)
        report = each(numbers, lambda n: tell(caller, inventory(n, given.images, sequence=3)))
        await measured(server, "inventories after restart", report, given.nodes)
    finally:
        await caller.close()


async def measured(server: Server, what: str, work: Awaitable[None], count: int) -> float:
    before, began = server.cpu(), time.monotonic()
    await work
    seconds, cpu = time.monotonic() - began, server.cpu() - before
    print(f"{what:28} {seconds:8.2f} s   server CPU {cpu:7.2f} s   {cpu / count * 1000:7.2f} ms each")
    return seconds


def show(what: str, value: float, most: float, unit: str) -> None:
    print(f"{what:28} {value:8.2f} {unit} = {value / most:.2f} x {most:g} {unit}")


async def each(numbers: Iterable[int], work: Callable[[int], Awaitable[None]]) -> None:
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await work(number)

    await asyncio.gather(*(worker() for _ in range(TOGETHER)))


async def register(caller: Caller, number: int) -> None:
    said = Registration(
        node_id=f"node-{number}",
        hostname=f"host-{number}",
        agent_endpoint=f"127.0.0.1:{10_000 + number % 50_000}",
        architecture="x86_64",
        store_id=f"store-{number}",
    )
    await caller.call(f"{_NODES}/RegisterNode", registration_to_wire(said), Node)


def inventory(number: int, images: int, *, sequence: int) -> Inventory:
    shared = [
        ReportedImage(
            path=f"/var/lib/limiquantix/cloud-images/shared-{i}.qcow2",
            filename=f"shared-{i}.qcow2",
            size_bytes=400 << 20,
            virtual_size_bytes=2 << 30,
            format="qcow2",
            checksum=f"sha256:{i:064x}",
        )
        for i in range(max(0, images - OWN_FILES))
    ]
    own = [local_file(f"golden-{i}.qcow2") for i in range(min(images, OWN_FILES))]
    return Inventory(
        node_id=f"node-{number}",
        store_id=f"store-{number}",
        images=(*shared, *own),
        complete=True,
        sequence=sequence,
        epoch=f"epoch-of-{number}",
    )


def local_file(name: str) -> ReportedImage:
    return ReportedImage(
        path=f"/var/lib/limiquantix/cloud-images/{name}",
        filename=name,
        size_bytes=1 << 30,
        virtual_size_bytes=2 << 30,
        format="qcow2",
    )


async def tell(caller: Caller, said: Inventory) -> None:
    answer = await caller.call(f"{_IMAGES}/ScanLocalImages", inventory_to_wire(said), ScanLocalImagesResponse)
    if answer.errors:
        raise SystemExit(f"a report was not understood: {answer.errors[0]}")


async def beats(server: Server, caller: Caller, given: argparse.Namespace) -> None:
    """Every node beats each ten seconds, spread evenly, with a disk that fills slowly."""
    loop = asyncio.get_running_loop()
    pace, count = 10.0 / given.nodes, 0
    before, began = server.cpu(), loop.time()
    running: set[asyncio.Task[None]] = set()
    while loop.time() - began < given.beat_seconds:
        task = asyncio.create_task(beat(caller, count % given.nodes, used=count << 20))
        running.add(task)
        task.add_done_callback(running.discard)
        count += 1
        await asyncio.sleep(max(0.0, began + count * pace - loop.time()))
    await asyncio.gather(*running)
    seconds, cpu = loop.time() - began, server.cpu() - before
    print(f"{'heartbeats':28} {count:8d} in {seconds:.1f} s, {cpu / count * 1000:.2f} ms of CPU each")
    show("heartbeats, of one core", cpu / seconds, MOST_CORE, "cores")
    show("resident memory", server.resident_mib(), 300, "MiB")


async def beat(caller: Caller, number: int, *, used: int) -> None:
    said = Heartbeat(
        node_id=f"node-{number}",
        running_vm_count=3,
        disk_used_bytes=used,
        disk_total_bytes=1 << 40,
        vms_complete=True,
    )
    answer = await caller.call(f"{_NODES}/UpdateHeartbeat", heartbeat_to_wire(said), UpdateHeartbeatResponse)
    if not answer.acknowledged:
        raise SystemExit("a heartbeat was not acknowledged")


async def many_files(server: Server, caller: Caller, files: int) -> None:
    """One node has thousands of files; how long that takes, and how long others wait meanwhile."""
    await register(caller, 10**6)
    said = replace(
        inventory(10**6, 0, sequence=1), images=tuple(local_file(f"file-{i}.img") for i in range(files))
    )
    said = replace(said, images=tuple(replace(i, format="raw") for i in said.images))
    waits: list[float] = []

    async def neighbour() -> None:
        while True:
            began = time.monotonic()
            await tell(caller, inventory(10**6 + 1, 4, sequence=len(waits) + 1))
            waits.append(time.monotonic() - began)

    await register(caller, 10**6 + 1)
    other = asyncio.create_task(neighbour())
    await measured(server, f"{files} new files of one node", tell(caller, said), files)
    other.cancel()
    show("a neighbour's longest wait", max(waits, default=0.0), 1.0, "s")
    await measured(server, "the same files again", tell(caller, replace(said, sequence=2)), files)


if __name__ == "__main__":
    main()
