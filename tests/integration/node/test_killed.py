"""kill -9 in the middle of a download: the next daemon goes on by itself, from the bytes that are there."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from image_library.wire.node_daemon import order_to_wire
from limiquantix.node.v1.node_daemon_pb import DownloadProgress
from tests.fakes.node_images import Qcow2
from tests.fakes.node_process import NodeProcess, node_process
from tests.fakes.node_workbench import PUBLISHER, content, order, publish
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt, Throttle

MIB = 1 << 20
IMAGE = Qcow2().file(12 * MIB)
URL = f"{PUBLISHER}/disk.qcow2"
Status = DownloadProgress.Status


async def begin(node: NodeProcess, job_id: str) -> None:
    """Ask for the image and leave as soon as the job is known."""
    call = node.client.download_image(order_to_wire(order(job_id=job_id)), metadata=node.metadata)
    async for _ in call:
        call.cancel()
        break


async def ended(node: NodeProcess, job_id: str) -> DownloadProgress:
    call = node.client.download_image(order_to_wire(order(job_id=job_id)), metadata=node.metadata)
    return [progress async for progress in call][-1]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_killed_download_goes_on_by_itself(tmp_path: Path, mirror: Mirror, algorithm: str) -> None:
    publish(mirror, IMAGE, algorithm=algorithm)
    mirror.fault(URL, Throttle(8 * MIB))
    data = tmp_path / "data"
    asked = order(job_id="job-1", checksum_algorithm=algorithm)
    async with node_process(data, mirror=mirror.base_url) as node:
        call = node.client.download_image(order_to_wire(asked), metadata=node.metadata)
        assert (await anext(aiter(call))).job_id == "job-1"
        await asyncio.to_thread(mirror.wait_for_bytes, URL, 6 * MIB)
        await node.kill()
    mirror.heal()
    before = len(mirror.exchanges(URL))
    async with node_process(data, mirror=mirror.base_url) as node:
        # Nobody asks: the journal does.
        await asyncio.to_thread(mirror.wait_for_requests, URL, before + 1)
        done = await ended(node, "job-1")
        assert done.status is Status.COMPLETED, done.error
        assert content(done.path) == IMAGE
        assert done.digest == f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"
    assert mirror.exchanges(URL)[-1].range is not None
    assert mirror.bytes_sent(URL) < len(IMAGE) + 3 * MIB


async def test_killed_again_and_again_it_still_gets_there(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(URL, Throttle(16 * MIB))
    data = tmp_path / "data"
    for kill_at in (3 * MIB, 6 * MIB, 9 * MIB):
        async with node_process(data, mirror=mirror.base_url) as node:
            await begin(node, "job-1")
            await asyncio.to_thread(mirror.wait_for_bytes, URL, kill_at)
            await node.kill()
            assert not [path for path in (data / "blobs" / "sha256").rglob("*") if path.is_file()]
    async with node_process(data, mirror=mirror.base_url) as node:
        done = await ended(node, "job-1")
        assert done.status is Status.COMPLETED, done.error
        assert content(done.path) == IMAGE
        # A finished job gives its answer for ever.
        assert (await ended(node, "job-1")).digest == done.digest
    async with node_process(data, mirror=mirror.base_url) as node:
        assert (await ended(node, "job-1")).digest == done.digest
    assert mirror.bytes_sent(URL) < len(IMAGE) + 9 * MIB


async def test_f01_a_kill_takes_less_than_a_mebibyte_of_what_had_come(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    here = 7 * MIB - 100_001
    mirror.fault(URL, HoldAt(here, times=1))
    data = tmp_path / "data"
    async with node_process(data, mirror=mirror.base_url) as node:
        call = node.client.download_image(order_to_wire(order(job_id="job-1")), metadata=node.metadata)
        async for progress in call:
            if progress.bytes_downloaded >= here:
                break
        await node.kill()
    async with node_process(data, mirror=mirror.base_url) as node:
        done = await ended(node, "job-1")
        assert done.status is Status.COMPLETED, done.error
        assert content(done.path) == IMAGE
    assert mirror.exchanges(URL)[-1].start > here - MIB
