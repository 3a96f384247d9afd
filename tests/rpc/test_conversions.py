"""ConvertImage through the door: a new image that nobody vouches for, by a job like any other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_library.domain.hardware import Hardware
from image_library.domain.image import Failure, ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.store import ImageFacts, PublishedImage
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_published_image, an_evidence
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller
from tests.support.rpc import Json

MACHINE = Hardware(cpus=2, memory_mib=4096, firmware="efi", os_type="Debian", network_cards=1)
SOURCE = ConvertedFrom(
    format="qcow2", digest=DIGEST, size_bytes=9, shape="raw", trust=TrustLevel.CHECKSUM, hardware=MACHINE
)
MADE = replace(
    a_published_image(
        digest=OTHER_DIGEST,
        evidence=an_evidence(
            level=TrustLevel.UNVERIFIED,
            algorithm="sha256",
            expected="",
            actual=DIGEST.removeprefix("sha256:"),
            source=f"converted from {DIGEST}",
        ),
    ),
    facts=ImageFacts(format=ImageFormat.RAW, virtual_size_bytes=1 << 30),
    converted_from=SOURCE,
)


async def there(call: Caller, node: FakeNodeDaemon, published: PublishedImage | None = None) -> str:
    """The id of an image that is on a node."""
    job = (await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}))["jobId"]
    await node.downloading(job)
    node.say(node.journal[job].evolve(state=JobState.READY, published=published or a_published_image()))
    return (await call.ended(job))["imageId"]


async def begun(call: Caller, node: FakeNodeDaemon, **more: str) -> Json:
    job = await call(f"{IMAGES}/ConvertImage", {"image": await there(call, node), "format": "raw"} | more)
    await node.downloading(job["jobId"])
    return job


async def test_a_new_image_comes_of_it_and_tells_what_it_was(call: Caller, node: FakeNodeDaemon) -> None:
    job = await begun(call, node)
    assert (job["kind"], job["name"]) == ("convert", "debian-12-raw")
    order = node.journal[job["jobId"]].order
    assert (order.convert_digest, str(order.wanted), order.filename) == (DIGEST, "raw", "debian-12-raw.img")
    again = await call(f"{IMAGES}/ConvertImage", {"image": "debian-12", "format": "raw"})
    assert again["jobId"] == job["jobId"]
    node.say(node.journal[job["jobId"]].evolve(state=JobState.READY, published=MADE))
    ended = await call.ended(job["jobId"])
    image = await call(f"{IMAGES}/GetImage", {"id": ended["imageId"]})
    status = image["status"]
    assert (status["phase"], status["digest"]) == ("READY", OTHER_DIGEST)
    assert image["spec"].get("format", "RAW") == "RAW"
    assert status["trust"] == "TRUST_LEVEL_UNVERIFIED"
    assert status["convertedFrom"]["digest"] == DIGEST
    assert status["convertedFrom"]["trust"] == "TRUST_LEVEL_CHECKSUM"
    assert status["convertedFrom"]["hardware"] == {
        "cpus": 2,
        "memoryMib": "4096",
        "firmware": "efi",
        "osType": "Debian",
        "networkCards": 1,
    }
    old = await call(f"{IMAGES}/GetImage", {"id": "debian-12"})
    assert old["status"]["digest"] == DIGEST
    refused = await call.refused(f"{IMAGES}/ConvertImage", {"image": "debian-12", "format": "raw"})
    assert refused.code == "already_exists"


async def test_a_node_that_claims_trust_for_it_is_not_believed(call: Caller, node: FakeNodeDaemon) -> None:
    job = await begun(call, node)
    claimed = replace(MADE, evidence=an_evidence(algorithm="sha256", actual="a" * 64, expected="a" * 64))
    node.say(node.journal[job["jobId"]].evolve(state=JobState.READY, published=claimed))
    assert (await call.ended(job["jobId"]))["status"] == "FAILED"


async def test_it_is_explained_and_tried_again(call: Caller, node: FakeNodeDaemon) -> None:
    job = await begun(call, node)
    said = await call(f"{IMAGES}/ExplainJob", {"jobId": job["jobId"]})
    assert "converts 'debian-12-raw'" in said["summary"]
    failure = Failure(code="convert.killed", message="It was killed.")
    node.say(node.journal[job["jobId"]].evolve(state=JobState.FAILED, failure=failure))
    await call.ended(job["jobId"])
    # Its name is taken by what came to nothing: with the way out.
    refused = await call.refused(f"{IMAGES}/ConvertImage", {"image": "debian-12", "format": "raw"})
    assert refused.code == "already_exists"
    assert f"jobs retry {job['jobId']}" in refused.message
    assert "images delete debian-12-raw" in refused.message
    retry = await call(f"{IMAGES}/RetryImport", {"jobId": job["jobId"]})
    await node.downloading(retry["jobId"])
    assert node.journal[retry["jobId"]].order.convert_digest == DIGEST


async def test_a_disc_becomes_no_disk(call: Caller, node: FakeNodeDaemon) -> None:
    disc = replace(a_published_image(), facts=ImageFacts(format=ImageFormat.ISO, virtual_size_bytes=1 << 20))
    image = await there(call, node, disc)
    before = await call(f"{IMAGES}/ListImages")
    refused = await call.refused(f"{IMAGES}/ConvertImage", {"image": image, "format": "qcow2"})
    assert refused.code == "invalid_argument"
    assert "is an ISO" in refused.message
    assert await call(f"{IMAGES}/ListImages") == before


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"format": "qcow2"}, "invalid_argument"),
        ({"format": ""}, "invalid_argument"),
        ({"format": "same"}, "invalid_argument"),
        ({"format": "iso"}, "invalid_argument"),
        ({"format": "raw", "compression": "zstd"}, "invalid_argument"),
        ({"format": "raw", "image": "none"}, "not_found"),
        ({"format": "raw", "nodeId": "none"}, "not_found"),
        ({"format": "raw", "name": "../x"}, "invalid_argument"),
    ],
)
async def test_what_cannot_be_converted(
    call: Caller, node: FakeNodeDaemon, asked: dict[str, str], code: str
) -> None:
    refused = await call.refused(f"{IMAGES}/ConvertImage", {"image": await there(call, node)} | asked)
    assert refused.code == code
