"""Several real nodes: copies come from the library, and survive whatever happens to those who give them."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.node_images import Qcow2
from tests.integration.files.conftest import Farm
from tests.integration.files.test_files import DEBIAN, NAME, call, ended, fetch
from tests.support.mirror import Mirror
from tests.support.processes import Program
from tests.support.rpc import Json, RpcError, rpc

MIB = 1 << 20
IMAGE = Qcow2().file(48 * MIB)
DIGEST = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        mirror.put(f"{DEBIAN}/{NAME}", IMAGE)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{hashlib.sha512(IMAGE).hexdigest()}  {NAME}\n".encode())
        yield mirror


@pytest.fixture
def three(farm: Farm, publisher: Mirror) -> Farm:
    farm.mirror = publisher.base_url
    for name in ("one", "two", "three"):
        farm.start_node(name)
    return farm


def place(farm: Farm, **wish: object) -> dict[str, Json]:
    results = call(farm.control_plane, "PlaceImage", {"image": "debian-12", **wish})["results"]
    return {result["hostname"]: result for result in results}


def blob(farm: Farm, node: str) -> Path | None:
    return next((farm.data(node) / "blobs").rglob(DIGEST), None)


def ready_on(program: Program) -> int:
    status = call(program, "GetImage", {"id": "debian-12"})["status"]
    return sum(copy["state"] == "ready" for copy in status["placements"])


def test_three_nodes_fetch_the_publishers_bytes_once(three: Farm, publisher: Mirror) -> None:
    results = place(three, allNodes=True, concurrency=1)
    for result in results.values():
        last = ended(three.control_plane, result["jobId"])
        assert last["status"] == "COMPLETED", last
    publisher.wait_for_ends(f"{DEBIAN}/{NAME}")
    assert publisher.bytes_sent(f"{DEBIAN}/{NAME}") == len(IMAGE)
    for node in ("one", "two", "three"):
        copy = blob(three, node)
        assert copy is not None
        assert copy.read_bytes() == IMAGE
    image = call(three.control_plane, "GetImage", {"id": "debian-12"})
    assert (ready_on(three.control_plane), image["status"]["trust"]) == (3, "TRUST_LEVEL_CHECKSUM")
    assert {result["outcome"] for result in place(three, allNodes=True).values()} == {"present"}

    evict = {"image": "debian-12", "nodeIds": ["two"]}
    call(three.control_plane, "EvictImage", evict)
    assert (ready_on(three.control_plane), blob(three, "two")) == (2, None)
    again = place(three, nodeIds=["two"])["two"]
    assert ended(three.control_plane, again["jobId"])["kind"] == "place"
    assert publisher.bytes_sent(f"{DEBIAN}/{NAME}") == len(IMAGE)


def test_a_holder_that_answers_no_more_is_replaced(three: Farm) -> None:
    for result in place(three, nodeIds=["one", "two"]).values():
        assert ended(three.control_plane, result["jobId"])["status"] == "COMPLETED"
    three.nodes["one"].kill9()
    job = place(three, nodeIds=["three"])["three"]["jobId"]
    assert ended(three.control_plane, job)["status"] == "COMPLETED"
    assert ready_on(three.control_plane) >= 2


def test_a_copying_node_that_is_killed_goes_on(three: Farm) -> None:
    first = place(three, nodeIds=["one"])["one"]
    assert ended(three.control_plane, first["jobId"])["status"] == "COMPLETED"
    # While its only source is frozen, the copy cannot come to its end.
    three.nodes["one"].process.send_signal(signal.SIGSTOP)
    job = place(three, nodeIds=["two"])["two"]["jobId"]
    three.nodes["two"].kill9()
    three.nodes["one"].process.send_signal(signal.SIGCONT)
    three.start_node("two")
    last = ended(three.control_plane, job)
    assert last["status"] == "COMPLETED", last
    copy = blob(three, "two")
    assert copy is not None
    assert copy.read_bytes() == IMAGE


def test_wrong_bytes_of_a_holder_are_refused(three: Farm) -> None:
    first = place(three, nodeIds=["one"])["one"]
    assert ended(three.control_plane, first["jobId"])["status"] == "COMPLETED"
    rotten = blob(three, "one")
    assert rotten is not None
    seen = rotten.stat()
    rotten.chmod(0o644)
    with rotten.open("r+b") as file:
        file.seek(MIB)
        file.write(b"rot")
    os.utime(rotten, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    job = place(three, nodeIds=["two"])["two"]["jobId"]
    last = ended(three.control_plane, job)
    assert (last["status"], last["errorCode"]) == ("FAILED", "verify.digest_mismatch"), last
    assert blob(three, "two") is None


def test_pools_are_the_nodes_stores(three: Farm) -> None:
    def pools(method: str, message: Json) -> Json:
        name = f"limiquantix.storage.v1.StoragePoolService/{method}"
        return rpc(three.control_plane.url, name, message, token=three.control_plane.token)

    listed = pools("ListPools", {})["pools"]
    assert sorted(pool["name"] for pool in listed) == ["one", "three", "two"]
    store = (three.data("two") / "store-id").read_text().strip()
    two = next(pool for pool in listed if pool["name"] == "two")
    assert two["id"] == store
    assert two["spec"]["backend"]["type"] == "LOCAL_DIR"
    assert int(two["status"]["capacity"]["totalBytes"]) > 0
    assert pools("GetPool", {"id": store})["name"] == "two"
    assert pools("ListPools", {"backendType": "NFS"}).get("pools", []) == []
    for method, message in (("CreatePool", {"name": "x"}), ("DeletePool", {"id": store})):
        with pytest.raises(RpcError) as refused:
            pools(method, message)
        assert refused.value.code == "unimplemented"
    job = call(three.control_plane, "DownloadImage", {"catalogId": "debian-12", "storagePoolId": store})
    assert ended(three.control_plane, job["jobId"])["status"] == "COMPLETED"
    status = call(three.control_plane, "GetImage", {"id": "debian-12"})["status"]
    assert status["storagePoolId"] == status["placements"][0]["storagePoolId"] == store


def test_with_one_holder_frozen_the_other_serves(three: Farm) -> None:
    for result in place(three, nodeIds=["one", "two"]).values():
        assert ended(three.control_plane, result["jobId"])["status"] == "COMPLETED"
    frozen = three.nodes["one"].process
    frozen.send_signal(signal.SIGSTOP)
    try:
        assert fetch(three.control_plane, f"/blobs/sha256/{DIGEST}", Range="bytes=0-9")[2] == IMAGE[:10]
    finally:
        frozen.send_signal(signal.SIGCONT)
