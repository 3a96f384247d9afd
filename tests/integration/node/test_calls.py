"""The node's gRPC door: token, errors, downloads, information."""

# Small files, and nobody else waits for the loop.
# ruff: noqa: ASYNC240
from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from grpc import aio
from protobuf.wkt import Empty

from image_library.domain.errors import ListenDenied, PortTaken
from image_library.node.app import run_node
from image_library.node.settings import Settings
from image_library.wire.errors import from_grpc
from image_library.wire.node_daemon import order_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    CancelDownloadRequest,
    DownloadProgress,
    GetDownloadStatusRequest,
    ReadSmallFileRequest,
    RemoveImageRequest,
)
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceClient
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, order, publish
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt

TOKEN = "join-token"
MIB = 1 << 20
IMAGE = Qcow2().file(2 * MIB)
Status = DownloadProgress.Status


@dataclass(frozen=True)
class Door:
    client: NodeDaemonServiceClient
    endpoint: str
    node_id: str
    metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {TOKEN}"),)


@asynccontextmanager
async def door(data: Path, mirror: str = "") -> AsyncGenerator[Door]:
    settings = Settings(
        data_dir=data,
        control_plane_url="http://127.0.0.1:9",
        join_token=TOKEN,
        mirror=(mirror,) if mirror else (),
    )
    async with run_node(settings, environment={}) as node, aio.insecure_channel(node.endpoint) as channel:
        yield Door(NodeDaemonServiceClient(channel), node.endpoint, node.node_id)


def code_of(error: aio.AioRpcError) -> str:
    own = from_grpc(error.trailing_metadata())
    assert own is not None, error
    return own.code


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer other"),), (("authorization", TOKEN),)])
async def test_nobody_is_answered_without_the_token(
    tmp_path: Path, metadata: tuple[tuple[str, str], ...]
) -> None:
    async with door(tmp_path / "data") as node:
        with pytest.raises(aio.AioRpcError) as single:
            await node.client.health_check(Empty(), metadata=metadata)
        assert single.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert code_of(single.value) == "auth.missing"
        with pytest.raises(aio.AioRpcError) as stream:
            await anext(aiter(node.client.download_image(order_to_wire(order()), metadata=metadata)))
        assert code_of(stream.value) == "auth.missing"


async def test_says_what_it_is(tmp_path: Path) -> None:
    async with door(tmp_path / "data") as node:
        health = await node.client.health_check(Empty(), metadata=node.metadata)
        assert health.healthy
        info = await node.client.get_node_info(Empty(), metadata=node.metadata)
        assert info.node_id == node.node_id
        assert info.store_id == (tmp_path / "data" / "store-id").read_text().strip()
        assert 0 < info.disk_used_bytes < info.disk_total_bytes


async def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path, mirror: Mirror) -> None:
    url = f"{PUBLISHER}/images.toml"
    mirror.put(url, b"x" * 1000)
    async with door(tmp_path / "data", mirror.base_url) as node:

        async def read(limit: int, where: str = url) -> bytes:
            request = ReadSmallFileRequest(url=where, limit_bytes=limit)
            return (await node.client.read_small_file(request, metadata=node.metadata)).content

        assert await read(1000) == b"x" * 1000
        for limit, where, code in [
            (999, url, "import.size_exceeded"),
            (1000, f"{url}.sig", "import.not_found"),
            (1000, "file:///etc/passwd", "import.url_scheme"),
            (1000, "", "import.url_scheme"),
            (0, url, "request.invalid"),
            ((1 << 20) + 1, url, "request.invalid"),
        ]:
            with pytest.raises(aio.AioRpcError) as refused:
                await read(limit, where)
            assert code_of(refused.value) == code


async def test_a_download_is_streamed_to_its_end(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with door(tmp_path / "data", mirror.base_url) as node:
        wanted = order()
        call = node.client.download_image(order_to_wire(wanted), metadata=node.metadata)
        seen = [progress async for progress in call]
        assert seen[-1].status is Status.COMPLETED, seen[-1].error
        assert seen[-1].stage == "ready"
        assert seen[-1].progress_percent == 100
        assert Path(seen[-1].path).name == "disk.qcow2"
        asked = GetDownloadStatusRequest(job_id=wanted.job_id)
        assert (await node.client.get_download_status(asked, metadata=node.metadata)).digest == seen[
            -1
        ].digest
        inventory = await node.client.scan_images(Empty(), metadata=node.metadata)
        assert [image.checksum for image in inventory.images] == [seen[-1].digest]
        gone = RemoveImageRequest(digest=seen[-1].digest)
        await node.client.remove_image(gone, metadata=node.metadata)
        assert (await node.client.scan_images(Empty(), metadata=node.metadata)).images == []


async def test_a_failed_download_is_an_answer_not_a_broken_call(tmp_path: Path, mirror: Mirror) -> None:
    mirror.put(f"{PUBLISHER}/SUMS", b"0" * 128 + b"  other.qcow2\n")
    async with door(tmp_path / "data", mirror.base_url) as node:
        call = node.client.download_image(order_to_wire(order()), metadata=node.metadata)
        last = [progress async for progress in call][-1]
        assert last.status is Status.FAILED
        assert last.error_code == "verify.checksum_missing"
        assert last.error
        assert last.error_remedy


async def test_a_download_goes_on_when_its_caller_leaves_and_can_be_cancelled(
    tmp_path: Path, mirror: Mirror
) -> None:
    publish(mirror, IMAGE)
    mirror.fault(f"{PUBLISHER}/disk.qcow2", HoldAt(MIB))
    async with door(tmp_path / "data", mirror.base_url) as node:
        message = order_to_wire(order(job_id="job-1"))
        call = node.client.download_image(message, metadata=node.metadata)
        await anext(aiter(call))
        call.cancel()
        again = aiter(node.client.download_image(message, metadata=node.metadata))
        while (await anext(again)).bytes_downloaded < MIB:
            pass
        await node.client.cancel_download(CancelDownloadRequest(job_id="job-1"), metadata=node.metadata)
        last = [progress async for progress in again][-1]
        assert (last.status, last.stage) == (Status.CANCELLED, "cancelled")


async def test_a_path_outside_is_refused_with_its_field(tmp_path: Path) -> None:
    async with door(tmp_path / "data") as node:
        message = order_to_wire(order())
        message.target_dir = "/etc"
        with pytest.raises(aio.AioRpcError) as refused:
            await anext(aiter(node.client.download_image(message, metadata=node.metadata)))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert code_of(refused.value) == "path.outside"


async def test_an_unknown_job_is_not_found(tmp_path: Path) -> None:
    async with door(tmp_path / "data") as node:
        with pytest.raises(aio.AioRpcError) as refused:
            await node.client.get_download_status(
                GetDownloadStatusRequest(job_id="nothing"), metadata=node.metadata
            )
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_is_unexpected_is_not_told_to_callers(tmp_path: Path) -> None:
    async with door(tmp_path / "data") as node:
        # The journal is edited under the daemon: nobody wrote a sentence for that.
        with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as journal, journal:
            journal.execute("INSERT INTO published VALUES ('sha256:ab', '', 'secret.qcow2', 1, 1, 'secret')")
        with pytest.raises(aio.AioRpcError) as refused:
            await node.client.scan_images(Empty(), metadata=node.metadata)
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in (refused.value.details() or "")


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with door(tmp_path / "data") as node:
        settings = Settings(
            data_dir=tmp_path / "other",
            control_plane_url="http://127.0.0.1:9",
            join_token=TOKEN,
            listen=node.endpoint,
        )
        with pytest.raises(PortTaken):
            async with run_node(settings):
                pytest.fail("two servers on one port")


async def test_plain_text_off_loopback_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        control_plane_url="http://127.0.0.1:9",
        join_token=TOKEN,
        listen="0.0.0.0:0",
    )
    with pytest.raises(ListenDenied):
        async with run_node(settings):
            pytest.fail("served in plain text")
    assert list(tmp_path.iterdir()) == []


async def test_serves_with_a_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(chain), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    settings = Settings(
        data_dir=tmp_path / "data",
        control_plane_url="http://127.0.0.1:9",
        join_token=TOKEN,
        listen="localhost:0",
        tls_cert=chain,
        tls_key=key,
    )
    trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with run_node(settings) as node, aio.secure_channel(node.endpoint, trusted) as channel:
        health = await NodeDaemonServiceClient(channel).health_check(
            Empty(), metadata=(("authorization", f"Bearer {TOKEN}"),)
        )
        assert health.healthy
