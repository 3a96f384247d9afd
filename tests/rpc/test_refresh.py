"""Refreshing through the doors: Connect JSON on one side, a gRPC node on the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from image_library.domain.job import JobState
from image_library.domain.publisher import PublisherAnswer
from image_library.domain.releases import Release
from image_library.domain.trust import TrustLevel
from tests.fakes.control_publishers import sha512
from tests.fakes.control_values import a_published_image, an_evidence
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller, reason
from tests.support.rpc import Json

FOLDER = "https://cloud.debian.org/images/cloud/bookworm"
URL = f"{FOLDER}/latest/debian-12-generic-amd64.qcow2"


def offered(number: int, build: str) -> PublisherAnswer:
    digest = sha512(number)
    lasting = f"{FOLDER}/{build}/debian-12-generic-amd64-{build}.qcow2"
    return PublisherAnswer(
        digest=digest,
        level=TrustLevel.CHECKSUM,
        source=f"{FOLDER}/latest/SHA512SUMS",
        url=URL,
        release=Release(version=build, url=lasting, digest=digest, published=date(2026, 11, 23)),
    )


def published(number: int) -> dict[str, Any]:
    evidence = an_evidence(expected=sha512(number).hex, actual=sha512(number).hex)
    image = a_published_image(digest=f"sha256:{number:064x}", evidence=evidence)
    return {"state": JobState.READY, "published": image}


async def ended(call: Caller, node: FakeNodeDaemon, job_id: str, number: int) -> None:
    node.say(replace(await node.downloading(job_id), **published(number)))
    assert (await call.ended(job_id))["status"] == "COMPLETED"


@pytest.fixture
async def held(call: Caller, node: FakeNodeDaemon) -> FakeNodeDaemon:
    """A node with build 1 of Debian 12, whose publisher now has build 2."""
    job = await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"})
    await ended(call, node, job["jobId"], 1)
    node.answer = offered(2, "20261123-2300")
    return node


async def refreshed(call: Caller, **more: Any) -> Json:
    (result,) = (await call(f"{IMAGES}/RefreshImages", {"images": ["debian-12"], **more}))["results"]
    return result


async def test_a_dry_run_tells_and_the_image_and_the_catalog_show_it(
    call: Caller, held: FakeNodeDaemon
) -> None:
    result = await refreshed(call, dryRun=True)
    assert (result["catalogId"], result["architecture"], result["name"]) == (
        "debian-12",
        "x86_64",
        "debian-12",
    )
    assert (result["outcome"], result["release"]) == ("newer", "20261123-2300")
    assert result["message"] == "Newer: 20261123-2300, published 2026-11-23."
    assert "jobId" not in result

    image = await call(f"{IMAGES}/GetImage", {"id": "debian-12"})
    assert (image["version"], image["status"]["newerRelease"]) == (1, "20261123-2300")
    assert image["status"]["supportEnds"] == "2026-07-11"
    entries = {e["id"]: e for e in (await call(f"{IMAGES}/GetImageCatalog"))["images"]}
    assert image["status"].get("endOfLife") == entries["debian-12"].get("endOfLife")
    variants = {v["architecture"]: v for v in entries["debian-12"]["variants"]}
    assert variants["x86_64"]["newestRelease"] == "20261123-2300"
    assert variants["x86_64"]["newestPublished"] == "2026-11-23"
    assert variants["x86_64"]["askedAt"] == entries["debian-12"]["updatedAt"]
    assert "newestRelease" not in variants["aarch64"]
    assert entries["debian-13"]["updatedAt"] == "2026-11-25T00:00:00Z"
    (status,) = (await call(f"{IMAGES}/GetCatalogDownloadStatus", {"catalogIds": ["debian-12"]}))["statuses"]
    assert status["newerRelease"] == "20261123-2300"


async def test_the_node_is_asked_as_the_catalog_says(call: Caller, held: FakeNodeDaemon) -> None:
    await refreshed(call, dryRun=True)
    (question,) = held.questions
    assert (question.url, question.checksum_algorithm) == (URL, "sha512")
    assert question.checksum_url == f"{FOLDER}/latest/SHA512SUMS"
    assert question.index is not None
    assert question.index.url == f"{FOLDER}/latest/debian-12-generic-amd64.json"


async def test_a_refresh_fetches_beside_and_the_name_moves(call: Caller, held: FakeNodeDaemon) -> None:
    result = await refreshed(call)
    assert (result["outcome"], result["nodeId"]) == ("newer", "node-1")
    assert (await refreshed(call))["jobId"] == result["jobId"]
    await ended(call, held, result["jobId"], 2)
    image = await call(f"{IMAGES}/GetImage", {"id": "debian-12"})
    assert (image["version"], image["status"]["release"]) == (2, "20261123-2300")
    assert "newerRelease" not in image["status"]
    old = await call(f"{IMAGES}/GetImage", {"id": "debian-12@1"})
    assert (old["status"]["phase"], old["status"]["digest"]) == ("READY", f"sha256:{1:064x}")
    assert (await refreshed(call))["outcome"] == "up_to_date"


async def test_a_node_that_is_too_old_is_said_and_everything_else_goes_on(
    call: Caller, held: FakeNodeDaemon
) -> None:
    held.answer = None
    (result,) = (await call(f"{IMAGES}/RefreshImages", {"all": True}))["results"]
    assert (result["outcome"], result["errorCode"]) == ("unknown", "rpc.unimplemented")
    assert result["message"].endswith("Node box is too old to ask publishers.")


async def test_an_answer_that_leads_elsewhere_is_not_believed(call: Caller, held: FakeNodeDaemon) -> None:
    held.answer = replace(
        offered(2, "20261123-2300"), url="https://evil.example/debian-12.qcow2", release=None
    )
    result = await refreshed(call)
    assert (result["outcome"], result["errorCode"]) == ("unknown", "internal")
    assert "makes no sense" in result["message"]


@pytest.mark.parametrize(
    ("message", "code", "why"),
    [
        ({}, "invalid_argument", "REQUEST_INVALID"),
        ({"all": True, "images": ["debian-12"]}, "invalid_argument", "REQUEST_INVALID"),
        ({"images": ["debian-99"]}, "not_found", "IMAGE_UNKNOWN"),
        ({"images": ["ubuntu-24.04"]}, "not_found", "IMAGE_UNKNOWN"),
    ],
)
async def test_what_cannot_be_refreshed_is_refused(
    call: Caller, held: FakeNodeDaemon, *, message: Json, code: str, why: str
) -> None:
    error = await call.refused(f"{IMAGES}/RefreshImages", message)
    assert (error.code, reason(error)) == (code, why)


async def test_with_nothing_here_there_is_nothing_to_refresh(call: Caller) -> None:
    assert await call(f"{IMAGES}/RefreshImages", {"all": True}) == {}
