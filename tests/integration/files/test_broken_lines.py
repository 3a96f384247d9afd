"""Copies between real nodes that are broken off in the middle, at each of their ends and in between."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.node_images import Qcow2
from tests.integration.files.conftest import Farm
from tests.integration.files.test_files import DEBIAN, NAME, call, ended
from tests.support.mirror import Mirror
from tests.support.slow_line import SlowLine, slow_line

MIB = 1 << 20
SIZE = 48 * MIB
IMAGE = Qcow2().file(SIZE)
DIGEST = hashlib.sha256(IMAGE).hexdigest()
IN_THE_MIDDLE = 16 * MIB
# What was on its way when it broke off, and headers.
AGAIN = 6 * MIB


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        mirror.put(f"{DEBIAN}/{NAME}", IMAGE)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{hashlib.sha512(IMAGE).hexdigest()}  {NAME}\n".encode())
        yield mirror


@pytest.fixture
def line(farm: Farm) -> Iterator[SlowLine]:
    with slow_line(farm.control_plane.url, rate=12 * MIB) as line:
        yield line


@pytest.fixture
def held(farm: Farm, publisher: Mirror) -> Farm:
    """Two nodes that have the image."""
    farm.mirror = publisher.base_url
    for name in ("one", "two"):
        farm.start_node(name)
        job = call(farm.control_plane, "DownloadImage", {"catalogId": "debian-12", "nodeId": name})["jobId"]
        last = ended(farm.control_plane, job)
        assert last["status"] == "COMPLETED", last
    return farm


def place(farm: Farm, *nodes: str, at_a_time: int = 4) -> dict[str, str]:
    """The job of each node."""
    wish = {"image": "debian-12", "nodeIds": list(nodes), "concurrency": at_a_time}
    results = call(farm.control_plane, "PlaceImage", wish)["results"]
    return {result["hostname"]: result["jobId"] for result in results}


def whole_on(farm: Farm, name: str) -> bool:
    found = next((farm.data(name) / "blobs").rglob(DIGEST), None)
    return found is not None and found.read_bytes() == IMAGE


def given(farm: Farm) -> dict[str, int]:
    """Bytes that each node has read so far."""
    io = {name: Path(f"/proc/{node.pid}/io").read_text() for name, node in farm.nodes.items()}
    return {name: int(text.split("rchar: ")[1].split()[0]) for name, text in io.items()}


def giver(farm: Farm, before: dict[str, int]) -> str:
    """The holder that has given bytes since then."""
    now = given(farm)
    grown = {name: now[name] - before[name] for name in ("one", "two")}
    assert max(grown.values()) > MIB
    return max(grown, key=lambda name: grown[name])


def test_a_holder_that_dies_in_the_middle_is_replaced_by_the_next(held: Farm, line: SlowLine) -> None:
    held.start_node("three", through=line.url)
    before = given(held)
    job = place(held, "three")["three"]
    line.wait_for_bytes(IN_THE_MIDDLE)
    held.nodes[giver(held, before)].kill9()
    last = ended(held.control_plane, job)
    assert last["status"] == "COMPLETED", last
    assert whole_on(held, "three")
    assert "holder_broke_off" in held.control_plane.said
    assert line.carried < SIZE + AGAIN


def test_a_copying_node_that_is_killed_goes_on_from_its_bytes(held: Farm, line: SlowLine) -> None:
    three = held.start_node("three", through=line.url)
    job = place(held, "three")["three"]
    line.wait_for_bytes(IN_THE_MIDDLE)
    three.kill9()
    assert not whole_on(held, "three")
    held.start_node("three", through=line.url)
    last = ended(held.control_plane, job)
    assert last["status"] == "COMPLETED", last
    assert whole_on(held, "three")
    assert line.carried < SIZE + AGAIN + 16 * MIB


def test_a_copy_over_a_cut_line_goes_on_from_its_bytes(held: Farm, line: SlowLine) -> None:
    held.start_node("three", through=line.url)
    job = place(held, "three")["three"]
    line.wait_for_bytes(IN_THE_MIDDLE)
    line.cut()
    line.mend()
    last = ended(held.control_plane, job)
    assert last["status"] == "COMPLETED", last
    assert whole_on(held, "three")
    assert line.carried < SIZE + AGAIN


def test_a_placement_goes_on_when_its_control_plane_is_killed(
    held: Farm, line: SlowLine, publisher: Mirror
) -> None:
    before = publisher.bytes_sent(f"{DEBIAN}/{NAME}")
    for name in ("three", "four"):
        held.start_node(name, through=line.url)
    jobs = place(held, "three", "four", at_a_time=1)
    line.wait_for_bytes(IN_THE_MIDDLE)
    line.cut()
    held.control_plane.kill9()
    held.start_control_plane()
    line.target = held.control_plane.url
    line.mend()
    # The holders' own line leads to where nobody is any more.
    for name in ("one", "two"):
        held.nodes[name].kill9()
        held.start_node(name)
    for job in jobs.values():
        last = ended(held.control_plane, job)
        assert last["status"] == "COMPLETED", last
    assert whole_on(held, "three")
    assert whole_on(held, "four")
    assert publisher.bytes_sent(f"{DEBIAN}/{NAME}") == before


def test_wrong_bytes_of_one_holder_are_made_good_by_another(held: Farm) -> None:
    status = call(held.control_plane, "GetImage", {"id": "debian-12"})["status"]
    stores = {(held.data(name) / "store-id").read_text().strip(): name for name in held.nodes}
    first = stores[status["storagePoolId"]]
    rotten = next((held.data(first) / "blobs").rglob(DIGEST))
    seen = rotten.stat()
    rotten.chmod(0o644)
    with rotten.open("r+b") as file:
        file.seek(MIB)
        # And the time of the change as a bad disk leaves it, before anybody looks.
        file.write(b"rot")
        file.flush()
        os.utime(rotten, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    held.start_node("three")
    last = ended(held.control_plane, place(held, "three")["three"])
    assert last["status"] == "COMPLETED", held.nodes["three"].said
    assert whole_on(held, "three")


def test_nobody_keeps_a_whole_image_for_a_slow_reader(held: Farm) -> None:
    """An export that its reader leaves lying goes on, with the next holder, when the reader does."""
    where = urlsplit(held.control_plane.url)
    with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)) as connection:
        headers = {"Authorization": f"Bearer {held.control_plane.token}"}
        before = given(held)
        connection.request("GET", "/images/debian-12/file", headers=headers)
        answer = connection.getresponse()
        counted = hashlib.sha256(answer.read(4 * MIB))
        held.nodes[giver(held, before)].kill9()
        while block := answer.read(MIB):
            counted.update(block)
    assert counted.hexdigest() == DIGEST
    # Had everything been on its way already, the death would have gone unnoticed.
    assert "holder_broke_off" in held.control_plane.said
