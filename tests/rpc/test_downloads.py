"""Downloads through the doors: Connect JSON on one side, a gRPC node on the other."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.progress import Progress
from tests.fakes.control_values import DIGEST, a_published_image
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason
from tests.support.rpc import Json, RpcError

DEBIAN = {"catalogId": "debian-12"}


async def begun(call: Caller, node: FakeNodeDaemon) -> str:
    job = await call(f"{IMAGES}/DownloadImage", DEBIAN)
    await node.downloading(job["jobId"])
    return job["jobId"]


async def test_a_download_ends_ready_with_its_evidence(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = await begun(call, node)
    fetching = node.journal[job_id].evolve(
        state=JobState.FETCHING, progress=Progress(done=25, total=100, speed=7, eta_seconds=11)
    )
    watched = call.stream(f"{IMAGES}/WatchImport", {"jobId": job_id})
    async with aclosing(watched) as states:
        assert (await anext(states))["jobId"] == job_id
        node.say(fetching)
        state = await anext(states)
        while state["stage"] == "queued":
            state = await anext(states)
        assert (state["status"], state["stage"]) == ("DOWNLOADING", "fetching")
        assert (state["progressPercent"], state["bytesDownloaded"], state["bytesTotal"]) == (25, "25", "100")
        assert (state["downloadSpeed"], state["etaSeconds"]) == ("7", 11)
        node.say(fetching.evolve(state=JobState.READY, published=a_published_image()))
        last = [state async for state in states][-1]
    assert (last["status"], last["stage"], last["progressPercent"]) == ("COMPLETED", "ready", 100)
    assert last["path"] == "/data/cloud-images/debian-12.qcow2"

    image = await call(f"{IMAGES}/GetImage", {"id": "debian-12"})
    status = image["status"]
    assert (status["phase"], status["trust"], status["digest"]) == ("READY", "TRUST_LEVEL_CHECKSUM", DIGEST)
    assert status["checksum"].startswith("sha512:1212")
    assert status["evidence"]["nodeId"] == status["nodeId"] == "node-1"
    assert (status["folderPath"], status["filename"]) == ("/data/cloud-images", "debian-12.qcow2")
    assert status["placements"][0]["state"] == "ready"
    assert image["spec"]["catalogId"] == "debian-12"

    entries = (await call(f"{IMAGES}/GetImageCatalog"))["images"]
    verified = {e["id"] for e in entries if e.get("verified")}
    pinned = {e["id"] for e in entries if e["trust"] == "TRUST_LEVEL_PINNED"}
    assert verified == {"debian-12"} | pinned
    asked = {"catalogIds": ["debian-12", "debian-13"]}
    statuses = (await call(f"{IMAGES}/GetCatalogDownloadStatus", asked))["statuses"]
    assert [s.get("status", "NOT_DOWNLOADED") for s in statuses] == ["READY", "NOT_DOWNLOADED"]

    again = await call(f"{IMAGES}/DownloadImage", DEBIAN)
    assert (again["jobId"], again["image"]["status"]["phase"]) == (job_id, "READY")


async def test_a_failure_keeps_its_code_and_remedy(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = await begun(call, node)
    failure = Failure(code="verify.digest_mismatch", message="Wrong bytes.", remedy="Try again.")
    node.say(node.journal[job_id].evolve(state=JobState.FAILED, failure=failure))
    ended = await call.ended(job_id)
    assert (ended["status"], ended["stage"]) == ("FAILED", "failed")
    assert (ended["errorCode"], ended["errorMessage"], ended["errorRemedy"]) == (
        "verify.digest_mismatch",
        "Wrong bytes.",
        "Try again.",
    )
    [image] = (await call(f"{IMAGES}/ListImages"))["images"]
    assert (image["status"]["phase"], image["status"]["errorCode"]) == ("ERROR", "verify.digest_mismatch")


async def test_cancelling_is_failed_with_the_stage_cancelled(call: Caller, node: FakeNodeDaemon) -> None:
    job_id = await begun(call, node)
    for _ in range(2):
        ended = await call(f"{IMAGES}/CancelImport", {"jobId": job_id})
        assert (ended["status"], ended["stage"]) == ("FAILED", "cancelled")
        assert ended["errorCode"] == "job.cancelled"
    assert node.journal[job_id].state is JobState.CANCELLED


async def test_jobs_are_listed_newest_first(call: Caller, node: FakeNodeDaemon) -> None:
    first = await begun(call, node)
    await call(f"{IMAGES}/CancelImport", {"jobId": first})
    second = await begun(call, node)
    jobs = await call(f"{IMAGES}/ListJobs")
    assert ([j["jobId"] for j in jobs["jobs"]], jobs["totalCount"]) == ([second, first], 2)
    active = await call(f"{IMAGES}/ListJobs", {"activeOnly": True})
    assert [j["jobId"] for j in active["jobs"]] == [second]


async def test_a_download_goes_on_after_the_control_plane_died(data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with node.serving():
        async with control_plane(data_dir) as call:
            node.token = call.handle.join_token
            await call.register(node)
            job_id = await begun(call, node)
        node.say(node.journal[job_id].evolve(state=JobState.READY, published=a_published_image()))
        async with control_plane(data_dir) as call:
            assert (await call.ended(job_id))["status"] == "COMPLETED"
            image = await call(f"{IMAGES}/GetImage", {"id": "debian-12"})
            assert image["status"]["phase"] == "READY"


async def test_a_download_goes_on_after_the_node_died(data_dir: Path) -> None:
    node = FakeNodeDaemon()
    async with control_plane(data_dir) as call:
        node.token = call.handle.join_token
        async with node.serving():
            await call.register(node)
            job_id = await begun(call, node)
        state: Json = {}
        async with aclosing(call.stream(f"{IMAGES}/WatchImport", {"jobId": job_id})) as states:
            async for state in states:
                if state.get("waitingFor"):
                    break
        assert state["waitingFor"] == "node box, which does not answer"
        async with node.serving():
            await call.register(node)
            node.say(node.journal[job_id].evolve(state=JobState.READY, published=a_published_image()))
            assert (await call.ended(job_id))["status"] == "COMPLETED"


async def test_a_node_that_does_not_know_our_token_fails_the_job(call: Caller, node: FakeNodeDaemon) -> None:
    node.token = "another"
    job = await call(f"{IMAGES}/DownloadImage", DEBIAN)
    assert (await call.ended(job["jobId"]))["errorCode"] == "auth.missing"


async def test_wishes_that_cannot_be(call: Caller, node: FakeNodeDaemon) -> None:
    unknown = await call.refused(f"{IMAGES}/DownloadImage", {"catalogId": "debian-21"})
    assert (unknown.code, reason(unknown)) == ("not_found", "IMAGE_UNKNOWN")
    assert "debian-12" in unknown.message
    nowhere = await call.refused(f"{IMAGES}/DownloadImage", DEBIAN | {"nodeId": "nowhere"})
    assert (nowhere.code, reason(nowhere)) == ("not_found", "NODE_UNKNOWN")
    odd = await call.refused(f"{IMAGES}/DownloadImage", DEBIAN | {"nodeId": "box", "architecture": "vax"})
    assert (odd.code, reason(odd)) == ("invalid_argument", "REQUEST_INVALID")
    assert "google.rpc.BadRequest" in [d["type"] for d in odd.details]
    bad = await call.refused(f"{IMAGES}/DownloadImage", DEBIAN | {"name": "../etc"})
    assert (bad.code, reason(bad)) == ("invalid_argument", "NAME_INVALID")
    job_id = await begun(call, node)
    taken = await call.refused(f"{IMAGES}/DownloadImage", {"catalogId": "debian-13", "name": "debian-12"})
    assert (taken.code, reason(taken)) == ("already_exists", "NAME_TAKEN")
    busy = await call.refused(f"{IMAGES}/DeleteImage", {"id": "debian-12"})
    assert (busy.code, reason(busy)) == ("failed_precondition", "IMAGE_IN_USE")
    for method in ("GetImportStatus", "CancelImport"):
        gone = await call.refused(f"{IMAGES}/{method}", {"jobId": "nope"})
        assert (gone.code, reason(gone)) == ("not_found", "JOB_UNKNOWN")
    assert (await call(f"{IMAGES}/GetImportStatus", {"jobId": job_id}))["name"] == "debian-12"


async def test_without_a_node_it_is_said(call: Caller) -> None:
    error = await call.refused(f"{IMAGES}/DownloadImage", DEBIAN)
    assert (error.status, error.code, reason(error)) == (503, "unavailable", "NODE_NONE_READY")


async def test_many_askers_share_one_download(call: Caller, node: FakeNodeDaemon) -> None:
    answers = await asyncio.gather(*(call(f"{IMAGES}/DownloadImage", DEBIAN) for _ in range(8)))
    assert len({answer["jobId"] for answer in answers}) == 1
    assert len((await call(f"{IMAGES}/ListJobs"))["jobs"]) == 1


async def test_watching_an_unknown_job_is_an_error_in_the_stream(call: Caller) -> None:
    with pytest.raises(RpcError) as refused:
        await call.ended("nope")
    assert (refused.value.code, reason(refused.value)) == ("not_found", "JOB_UNKNOWN")
