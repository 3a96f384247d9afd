"""Imports, registrations, retries and explanations through the doors."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.progress import Progress, Tries
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import DIGEST, a_published_image, an_evidence
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason
from tests.support.rpc import Json

URL = "https://example.org/images/noble-server-cloudimg-amd64.img"
SHA256 = DIGEST.removeprefix("sha256:")
MEASURED = an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=SHA256, source="")
LOST = Failure(code="import.unreachable", message="No answer.", remedy="Check.")


async def begun(call: Caller, node: FakeNodeDaemon, **more: Any) -> Json:
    answer = await call(f"{IMAGES}/ImportImage", {"url": URL} | more)
    await node.downloading(answer["jobId"])
    return answer


async def failed(call: Caller, node: FakeNodeDaemon) -> str:
    job_id = (await begun(call, node))["jobId"]
    node.say(node.journal[job_id].evolve(state=JobState.FAILED, failure=LOST))
    await call.ended(job_id)
    return job_id


async def test_an_import_without_a_checksum_says_unverified_everywhere(
    call: Caller, node: FakeNodeDaemon
) -> None:
    answer = await begun(call, node)
    job_id = answer["jobId"]
    assert answer["image"]["name"] == "noble-server-cloudimg-amd64"
    assert answer["image"]["spec"]["os"]["distribution"] == "ubuntu"
    assert answer["image"]["status"]["trust"] == "TRUST_LEVEL_UNVERIFIED"
    assert node.journal[job_id].order.unverified
    node.say(
        node.journal[job_id].evolve(state=JobState.READY, published=a_published_image(evidence=MEASURED))
    )
    ended = await call.ended(job_id)
    assert (ended["status"], ended["kind"]) == ("COMPLETED", "import")
    image = await call(f"{IMAGES}/GetImage", {"id": answer["image"]["id"]})
    status = image["status"]
    assert (status["phase"], status["trust"]) == ("READY", "TRUST_LEVEL_UNVERIFIED")
    assert (status["checksum"], status["digest"]) == (DIGEST, DIGEST)
    assert status["evidence"]["level"] == "TRUST_LEVEL_UNVERIFIED"
    assert (status["evidence"]["actual"], status["evidence"].get("expected", "")) == (SHA256, "")
    assert status["origin"] == URL
    listed = await call(f"{IMAGES}/ListImages", {"trustLevels": ["TRUST_LEVEL_UNVERIFIED"]})
    assert [i["id"] for i in listed["images"]] == [image["id"]]


async def test_every_field_of_an_import_counts(call: Caller, node: FakeNodeDaemon) -> None:
    answer = await begun(
        call,
        node,
        name="web",
        description="Golden.",
        projectId="shop",
        labels={"tier": "front"},
        visibility="PROJECT",
        checksum=DIGEST.upper(),
        checksumType="sha256",
        osInfo={"family": "LINUX", "distribution": "ubuntu", "version": "24.04", "defaultUser": "ops"},
        storagePoolId="s1",
        format="raw",
        targetFormat="raw",
    )
    image, order = answer["image"], node.journal[answer["jobId"]].order
    assert (image["name"], image["description"], image["projectId"]) == ("web", "Golden.", "shop")
    assert (image["labels"], image["spec"]["visibility"]) == ({"tier": "front"}, "PROJECT")
    assert image["spec"]["os"]["defaultUser"] == "ops"
    assert (order.digest, order.checksum_algorithm, order.format.value) == (SHA256, "sha256", "raw")
    assert order.filename == "web.img"


@pytest.mark.parametrize(
    ("changes", "code", "why"),
    [
        ({"url": "ftp://example.org/x"}, "invalid_argument", "IMPORT_URL_SCHEME"),
        ({"url": "http://example.org/x.qcow2"}, "invalid_argument", "IMPORT_URL_SCHEME"),
        ({"checksum": "abc"}, "invalid_argument", "VERIFY_DIGEST_INVALID"),
        ({"checksum": DIGEST, "checksumType": "sha512"}, "invalid_argument", "VERIFY_DIGEST_INVALID"),
        ({"format": "qed"}, "invalid_argument", "REQUEST_INVALID"),
        ({"name": "../x"}, "invalid_argument", "NAME_INVALID"),
        ({"description": "a\u200bb"}, "invalid_argument", "NAME_INVALID_CHAR"),
        ({"nodeId": "nowhere"}, "not_found", "NODE_UNKNOWN"),
        ({"storagePoolId": "nowhere"}, "not_found", "POOL_UNKNOWN"),
    ],
)
async def test_imports_that_cannot_be(
    call: Caller, node: FakeNodeDaemon, changes: Json, code: str, why: str
) -> None:
    refused = await call.refused(f"{IMAGES}/ImportImage", {"url": URL} | changes)
    assert (refused.code, reason(refused)) == (code, why)
    assert (await call(f"{IMAGES}/ListImages")).get("totalCount", 0) == 0


async def test_a_taken_name_is_refused(call: Caller, node: FakeNodeDaemon) -> None:
    await begun(call, node)
    refused = await call.refused(f"{IMAGES}/ImportImage", {"url": URL})
    assert (refused.code, reason(refused)) == ("already_exists", "NAME_TAKEN")


async def test_an_image_is_registered_for_an_upload(call: Caller) -> None:
    asked = {
        "name": "golden",
        "labels": {"a": "b"},
        "spec": {
            "os": {"distribution": "debian", "version": "13"},
            "requirements": {"minDiskGib": "4"},
            "visibility": "PUBLIC",
            "catalogId": "debian-13",
        },
    }
    image = await call(f"{IMAGES}/CreateImage", asked)
    assert (image["status"]["phase"], image["name"]) == ("PENDING", "golden")
    assert (image["spec"]["catalogId"], image["spec"]["visibility"]) == ("debian-13", "PUBLIC")
    assert image["spec"]["requirements"]["minDiskGib"] == "4"
    assert (await call(f"{IMAGES}/GetImage", {"id": image["id"]}))["id"] == image["id"]
    taken = await call.refused(f"{IMAGES}/CreateImage", asked)
    assert (taken.code, reason(taken)) == ("already_exists", "NAME_TAKEN")


async def test_an_image_is_created_from_a_url(call: Caller, node: FakeNodeDaemon) -> None:
    asked = {"name": "web", "source": {"url": URL, "checksum": SHA256, "checksumType": "sha256"}}
    image = await call(f"{IMAGES}/CreateImage", asked)
    [job] = (await call(f"{IMAGES}/ListJobs", {"imageId": image["id"]}))["jobs"]
    assert (job["kind"], job["imageId"]) == ("import", image["id"])
    order = (await node.downloading(job["jobId"])).order
    assert (order.url, order.digest, order.format.value) == (URL, SHA256, "qcow2")


@pytest.mark.parametrize(
    "source",
    [
        {"filePath": "/etc/passwd"},
        {"volumeId": "v1"},
        {"containerImage": "debian:12"},
        {"url": ""},
        {"checksum": SHA256},
    ],
)
async def test_an_image_is_created_from_nothing_else(call: Caller, source: Json) -> None:
    refused = await call.refused(f"{IMAGES}/CreateImage", {"name": "x", "source": source})
    assert (refused.code, reason(refused)) == ("invalid_argument", "REQUEST_INVALID")
    assert "google.rpc.BadRequest" in [d["type"] for d in refused.details]


async def test_a_failed_job_is_tried_again(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = await failed(call, node)
    retry = await call(f"{IMAGES}/RetryImport", {"jobId": job_id})
    assert (retry["retryOf"], retry["kind"]) == (job_id, "import")
    assert (await call(f"{IMAGES}/RetryImport", {"jobId": job_id}))["jobId"] == retry["jobId"]
    again = await node.downloading(retry["jobId"])
    assert again.order == replace(node.journal[job_id].order, job_id=retry["jobId"])
    image = await call(f"{IMAGES}/GetImage", {"id": retry["imageId"]})
    assert image["status"].get("errorCode", "") == ""


async def test_what_is_not_over_is_not_tried_again(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = (await begun(call, node))["jobId"]
    early = await call.refused(f"{IMAGES}/RetryImport", {"jobId": job_id})
    assert (early.code, reason(early)) == ("failed_precondition", "JOB_NOT_FAILED")
    unknown = await call.refused(f"{IMAGES}/RetryImport", {"jobId": "nope"})
    assert (unknown.code, reason(unknown)) == ("not_found", "JOB_UNKNOWN")


async def test_a_job_is_explained(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = (await begun(call, node))["jobId"]
    next_at = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)
    node.say(
        node.journal[job_id].evolve(
            state=JobState.FETCHING,
            progress=Progress(done=5, total=10),
            waiting_for="example.org cannot answer now (HTTP 503).",
            tries=Tries(attempt=2, attempts=8, next_at=next_at),
        )
    )
    said: Json = {}
    while not said.get("waitingFor"):
        said = await call(f"{IMAGES}/ExplainJob", {"jobId": job_id})
    assert said["jobId"] == job_id
    assert said["summary"].startswith(f"Job {job_id} imports 'noble-server-cloudimg-amd64' to box.")
    assert (said["attempt"], said["attempts"], said["nextTryAt"]) == (2, 8, "2026-11-23T12:01:00Z")
    assert said["nextSource"] == URL
    assert "waitingSince" in said
    assert "Next: Measure the bytes' sha256." in said["steps"]
    status = await call(f"{IMAGES}/GetImportStatus", {"jobId": job_id})
    assert status["waitingSince"] == said["waitingSince"]
    unknown = await call.refused(f"{IMAGES}/ExplainJob", {"jobId": "nope"})
    assert (unknown.code, reason(unknown)) == ("not_found", "JOB_UNKNOWN")


async def test_jobs_are_filtered(call: Caller, node: FakeNodeDaemon) -> None:
    imported = await begun(call, node)
    downloaded = await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"})

    async def found(**asked: Any) -> set[str]:
        return {job["jobId"] for job in (await call(f"{IMAGES}/ListJobs", asked)).get("jobs", [])}

    assert await found(kinds=["import"]) == {imported["jobId"]}
    assert await found(kinds=["import", "DOWNLOAD"]) == {imported["jobId"], downloaded["jobId"]}
    assert await found(imageId=downloaded["image"]["id"]) == {downloaded["jobId"]}
    assert await found(nodeId="node-1", kinds=["upload"]) == set()
    odd = await call.refused(f"{IMAGES}/ListJobs", {"kinds": ["dance"]})
    assert (odd.code, reason(odd)) == ("invalid_argument", "REQUEST_INVALID")


async def test_a_job_that_ended_long_ago_is_forgotten(data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with node.serving():
        async with control_plane(data_dir) as call:
            node.token = call.handle.join_token
            await call.register(node)
            job_id = await failed(call, node)
        with closing(sqlite3.connect(data_dir / "controlplane.db")) as database:
            database.execute("UPDATE jobs SET updated_at = 0")
            database.commit()
        async with control_plane(data_dir) as call:
            assert (await call(f"{IMAGES}/ListJobs")).get("jobs", []) == []
            gone = await call.refused(f"{IMAGES}/RetryImport", {"jobId": job_id})
            assert reason(gone) == "JOB_UNKNOWN"


async def test_an_upload_whose_bytes_are_gone_is_not_tried_again(data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with node.serving():
        async with control_plane(data_dir) as call:
            node.token = call.handle.join_token
            await call.register(node)
            job_id = await failed(call, node)
        with closing(sqlite3.connect(data_dir / "controlplane.db")) as database:
            database.execute("UPDATE jobs SET document = json_set(document, '$.kind', 'upload')")
            database.commit()
        async with control_plane(data_dir) as call:
            refused = await call.refused(f"{IMAGES}/RetryImport", {"jobId": job_id})
            assert (refused.code, reason(refused)) == ("failed_precondition", "JOB_NOT_REPEATABLE")
