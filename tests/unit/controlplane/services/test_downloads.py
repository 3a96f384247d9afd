"""Downloads from the wish to the end: planning, following, cancelling, resuming."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.download_runs import node_key
from image_library.domain.errors import (
    DigestMismatch,
    Internal,
    InvalidName,
    InvalidRequest,
    NameTaken,
    NoNodeReady,
    StorageFull,
    UnknownImage,
    UnknownJob,
    UnknownNode,
)
from image_library.domain.image import Failure, ImagePhase, PlacementState, Visibility
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import NodePhase
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Progress
from image_library.domain.trust import Evidence, TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    a_catalog,
    a_node,
    a_published_image,
    a_ready_image,
    a_variant,
    a_vm,
    an_entry,
    an_evidence,
    an_image,
)

DEBIAN = DownloadWish(catalog_id="debian-12")


async def begun(plane: Plane, wish: DownloadWish = DEBIAN) -> Job:
    """A job that its node has taken up."""
    if not await plane_has_nodes(plane):
        await plane.know(a_node())
    job, _ = await plane.downloads.start(wish)
    await settle()
    assert job.id in plane.nodes.journal
    return job


async def plane_has_nodes(plane: Plane) -> bool:
    async with plane.database.read() as records:
        return bool(await records.nodes.all())


async def test_a_wish_becomes_a_job_and_an_image(plane: Plane) -> None:
    await plane.know(a_node())
    job, image = await plane.downloads.start(DEBIAN)
    assert (job.catalog_id, job.node_id, job.architecture) == ("debian-12", "node-1", "x86_64")
    assert (image.name, image.phase, image.visibility) == ("debian-12", ImagePhase.PENDING, Visibility.PUBLIC)
    assert image.os.default_user == "debian"
    await settle()
    order = plane.nodes.journal[job.id].order
    assert (order.filename, order.url) == ("debian-12.qcow2", "https://example.org/debian-12-x86_64.qcow2")


async def test_a_whole_image_becomes_ready_with_its_evidence(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    done, image = await plane.stored_job(job.id), await plane.image(job.image_id)
    assert (done.state, done.path) == (JobState.READY, "/data/cloud-images/debian-12.qcow2")
    assert (image.phase, image.digest, image.size_bytes) == (ImagePhase.READY, DIGEST, 1000)
    assert image.evidence is not None
    assert (image.evidence.level, image.evidence.node_id) == (TrustLevel.CHECKSUM, "node-1")
    assert image.placements[0].state is PlacementState.READY


async def test_progress_is_told_at_once_and_kept_at_most_every_second(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.FETCHING, progress=Progress(done=10, total=100))
    await settle()
    plane.nodes.say(job.id, progress=Progress(done=50, total=100))
    await settle()
    assert (await plane.downloads.get(job.id)).progress.percent == 50
    assert (await plane.stored_job(job.id)).progress.percent == 10
    await plane.clock.advance(1.1)
    plane.nodes.say(job.id, progress=Progress(done=60, total=100))
    await settle()
    assert (await plane.stored_job(job.id)).progress.percent == 60
    image = await plane.image(job.image_id)
    assert (image.phase, image.progress_percent) == (ImagePhase.DOWNLOADING, 60)


async def test_asking_twice_makes_one_job(plane: Plane) -> None:
    job = await begun(plane)
    again, _ = await plane.downloads.start(DEBIAN)
    both = await asyncio.gather(plane.downloads.start(DEBIAN), plane.downloads.start(DEBIAN))
    assert {again.id, both[0][0].id, both[1][0].id} == {job.id}


async def test_an_image_that_is_there_answers_with_its_last_job(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    again, image = await plane.downloads.start(DEBIAN)
    assert (again.id, again.state, image.phase) == (job.id, JobState.READY, ImagePhase.READY)


async def test_an_image_without_a_job_gets_a_finished_one(plane: Plane) -> None:
    os = replace(an_entry().os, architecture="x86_64")
    await plane.know(a_node(), a_ready_image(name="debian-12", catalog_id="debian-12", os=os))
    job, image = await plane.downloads.start(DEBIAN)
    assert (job.state, job.path, image.id) == (JobState.READY, "/images/debian-12.qcow2", "image-1")
    assert (await plane.downloads.start(DEBIAN))[0].id == job.id


async def test_a_failed_download_is_told_and_its_image_used_again(plane: Plane) -> None:
    job = await begun(plane)
    failure = Failure(code="import.unreachable", message="No answer.", remedy="Check.")
    plane.nodes.say(job.id, state=JobState.FAILED, failure=failure)
    await settle()
    image = await plane.image(job.image_id)
    assert (image.phase, image.failure, image.placements) == (ImagePhase.ERROR, failure, ())
    assert (await plane.downloads.get(job.id)).failure == failure
    retry, same = await plane.downloads.start(DEBIAN)
    assert retry.id != job.id
    assert (same.id, same.phase, same.failure) == (image.id, ImagePhase.PENDING, None)


@pytest.mark.parametrize(
    "lie",
    [
        {"published": None},
        {"published": a_published_image(digest="")},
        {"published": a_published_image(size_bytes=0)},
        {"published": a_published_image(evidence=an_evidence(actual=""))},
        {"published": a_published_image(evidence=an_evidence(actual="ff" * 64))},
    ],
)
async def test_nothing_is_ready_without_proof(plane: Plane, lie: dict[str, object]) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.READY, **lie)
    await settle()
    assert (await plane.stored_job(job.id)).state is JobState.FAILED
    assert (await plane.image(job.image_id)).phase is ImagePhase.ERROR


async def test_a_pinned_digest_must_be_the_published_one() -> None:
    pinned = a_variant(digest="cd" * 64)
    plane = Plane(a_catalog(an_entry(variants=(pinned,))))
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    failure = (await plane.stored_job(job.id)).failure
    assert failure is not None
    assert failure.code == DigestMismatch.code
    await plane.runs.close()


async def test_a_node_cannot_claim_more_trust_than_its_order_gives(plane: Plane) -> None:
    job = await begun(plane)
    boast = an_evidence(level=TrustLevel.SIGNED, node_id="another")
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image(evidence=boast))
    await settle()
    evidence = (await plane.image(job.image_id)).evidence
    assert evidence is not None
    assert (evidence.level, evidence.node_id) == (TrustLevel.CHECKSUM, "node-1")


async def test_other_bytes_from_the_publisher_are_another_version(plane: Plane) -> None:
    await plane.know(a_node("node-1"), a_node("node-2"))
    first = await begun(plane, replace(DEBIAN, node="node-1"))
    plane.nodes.say(first.id, state=JobState.READY, published=a_published_image())
    await settle()
    # Nobody who has it answers: the publisher is asked once more.
    await plane.know(a_node("node-1", phase=NodePhase.OFFLINE))
    second = await begun(plane, replace(DEBIAN, node="node-2"))
    assert second.image_id == first.image_id
    moved = a_published_image(digest=OTHER_DIGEST)
    plane.nodes.say(second.id, state=JobState.READY, published=moved)
    await settle()
    old, job = await plane.image(first.image_id), await plane.stored_job(second.id)
    new = await plane.image(job.image_id)
    assert (old.digest, [p.node_id for p in old.placements]) == (DIGEST, ["node-1"])
    assert (new.digest, new.title, new.phase) == (OTHER_DIGEST, "debian-12", ImagePhase.READY)
    assert (new.version, old.title, old.current) == (2, "debian-12@1", False)


async def test_what_a_scan_made_of_the_very_bytes_is_absorbed(plane: Plane) -> None:
    job = await begun(plane)
    in_use = a_ready_image("in-use")
    await plane.know(a_ready_image("found"), in_use, a_vm(image_id="in-use"))
    await plane.know(a_ready_image("proved", evidence=an_evidence()))
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    async with plane.database.read() as records:
        left = {image.id for image in await records.images.with_digest(DIGEST)}
    assert left == {job.image_id, "in-use", "proved"}


async def test_a_node_that_goes_away_is_waited_for(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.FETCHING, progress=Progress(done=10, total=100))
    await settle()
    plane.nodes.go_away("node-1")
    await settle()
    waiting = await plane.downloads.get(job.id)
    assert waiting.waiting_for == "node node-1.example, which does not answer"
    assert (await plane.stored_job(job.id)).waiting_for == waiting.waiting_for
    plane.nodes.away.clear()
    plane.changes.notify(node_key("node-1"))
    await settle()
    assert (await plane.downloads.get(job.id)).waiting_for == ""
    assert plane.nodes.streams_begun == 2


async def test_an_away_node_is_tried_again_by_itself(plane: Plane) -> None:
    await plane.know(a_node())
    plane.nodes.away.add("node-1")
    job, _ = await plane.downloads.start(DEBIAN)
    await settle()
    assert job.id not in plane.nodes.journal
    plane.nodes.away.clear()
    await plane.clock.advance(6)
    assert job.id in plane.nodes.journal


async def test_what_the_node_refuses_fails(plane: Plane) -> None:
    await plane.know(a_node())
    plane.nodes.refusal = StorageFull("No space on the node.")
    job, _ = await plane.downloads.start(DEBIAN)
    await settle()
    failed = await plane.downloads.get(job.id)
    assert failed.failure is not None
    assert (failed.state, failed.failure.code) == (JobState.FAILED, "storage.full")


async def test_live_jobs_go_on_after_a_restart(plane: Plane) -> None:
    job = await begun(plane)
    await plane.runs.close()
    after = Plane(database=plane.database)
    await after.downloads.resume()
    await settle()
    assert after.nodes.journal[job.id].order == plane.nodes.journal[job.id].order
    after.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    assert (await after.image(job.image_id)).phase is ImagePhase.READY
    await after.runs.close()


async def test_watching_tells_the_state_at_once_and_ends_with_the_end(plane: Plane) -> None:
    job = await begun(plane)
    seen: list[JobState] = []

    async def watch() -> None:
        async for state in plane.downloads.watch(job.id):
            seen.append(state.state)

    watching = asyncio.create_task(watch())
    await settle()
    assert seen == [JobState.QUEUED]
    plane.nodes.say(job.id, state=JobState.VERIFYING)
    await settle()
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await watching
    assert seen == [JobState.QUEUED, JobState.VERIFYING, JobState.READY]


async def test_cancelling_ends_the_job_and_is_idempotent(plane: Plane) -> None:
    job = await begun(plane)
    cancelled = await plane.downloads.cancel(job.id)
    assert cancelled.state is JobState.CANCELLED
    assert await plane.downloads.cancel(job.id) == cancelled
    assert plane.nodes.cancelled == [job.id]
    image = await plane.image(job.image_id)
    assert image.failure is not None
    assert (image.phase, image.failure.code) == (ImagePhase.ERROR, "job.cancelled")


async def test_a_finished_job_stays_finished_when_cancelled(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    assert (await plane.downloads.cancel(job.id)).state is JobState.READY
    assert plane.nodes.cancelled == []


async def test_a_job_of_an_away_node_is_cancelled_at_once_and_the_node_told_later(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.go_away("node-1")
    await settle()
    assert (await plane.downloads.cancel(job.id)).state is JobState.CANCELLED
    plane.nodes.away.clear()
    plane.changes.notify(node_key("node-1"))
    await settle()
    assert plane.nodes.cancelled == [job.id]
    assert plane.nodes.journal[job.id].state is JobState.CANCELLED


async def test_a_node_that_cannot_take_a_late_cancel_is_not_asked_for_ever(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.go_away("node-1")
    await settle()
    assert (await plane.downloads.cancel(job.id)).state is JobState.CANCELLED
    plane.nodes.away.clear()
    plane.nodes.cancel_refusal = Internal("The node failed.")
    for _ in range(3):
        plane.changes.notify(node_key("node-1"))
        await settle()
    assert plane.nodes.cancelled == [job.id]
    assert not [t for t in asyncio.all_tasks() if t.get_name() == f"download-{job.id}"]


async def test_the_list_shows_the_newest_word(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.FETCHING, progress=Progress(done=1, total=100))
    await settle()
    plane.nodes.say(job.id, progress=Progress(done=77, total=100))
    await settle()
    page = await plane.downloads.list(JobFilter(active_only=True), PageRequest())
    assert [(j.id, j.progress.percent) for j in page.items] == [(job.id, 77)]


async def test_the_least_busy_ready_node_with_space_is_chosen(plane: Plane) -> None:
    await plane.know(
        a_node("away", phase=NodePhase.OFFLINE),
        a_node("full", disk_total_bytes=1000, disk_used_bytes=1000),
        a_node("busy"),
        a_node("idle"),
    )
    busy, _ = await plane.downloads.start(DownloadWish(catalog_id="ubuntu-24.04", node="busy"))
    assert busy.node_id == "busy"
    assert (await plane.downloads.start(DEBIAN))[0].node_id == "idle"


async def test_a_node_can_be_named_by_its_host_name(plane: Plane) -> None:
    await plane.know(a_node("node-1"), a_node("node-2"))
    job, _ = await plane.downloads.start(replace(DEBIAN, node="node-2.example"))
    assert job.node_id == "node-2"


async def test_the_architecture_is_the_nodes_unless_given(plane: Plane) -> None:
    await plane.know(a_node("arm", architecture="aarch64"), a_node("intel"))
    job, image = await plane.downloads.start(replace(DEBIAN, node="arm"))
    assert (job.architecture, image.os.architecture) == ("aarch64", "aarch64")
    other, second = await plane.downloads.start(replace(DEBIAN, architecture="x86_64"))
    assert (other.node_id, second.name) == ("intel", "debian-12-x86_64")


async def test_the_default_name_gives_way_to_a_file_of_that_name(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(name="debian-12", digest=""))
    _, image = await plane.downloads.start(DEBIAN)
    assert image.name == "debian-12-x86_64"


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (DownloadWish(catalog_id="debian-21"), UnknownImage),
        (replace(DEBIAN, node="nowhere"), UnknownNode),
        (replace(DEBIAN, architecture="sparc"), NoNodeReady),
        (replace(DEBIAN, architecture="sparc", node="node-1"), InvalidRequest),
        (replace(DEBIAN, name="no/slash"), InvalidName),
        (replace(DEBIAN, name="taken"), NameTaken),
        (replace(DEBIAN, name="ubuntu-24.04"), NameTaken),
    ],
)
async def test_a_wish_that_cannot_be_leaves_nothing(
    plane: Plane, wish: DownloadWish, error: type[Exception]
) -> None:
    await plane.know(a_node(), an_image("other", name="taken"))
    with pytest.raises(error):
        await plane.downloads.start(wish)
    async with plane.database.read() as records:
        assert await records.jobs.live() == ()
        assert await records.images.names() == ("taken",)


async def test_without_a_ready_node_it_is_said(plane: Plane) -> None:
    with pytest.raises(NoNodeReady):
        await plane.downloads.start(DEBIAN)
    await plane.know(a_node(disk_total_bytes=1000, disk_used_bytes=1000))
    with pytest.raises(StorageFull, match=r"[0-9]+ MiB are needed, and at most [0-9]+ MiB are free"):
        await plane.downloads.start(DEBIAN)


async def test_an_unknown_job_is_said(plane: Plane) -> None:
    with pytest.raises(UnknownJob, match="nope"):
        await plane.downloads.get("nope")


async def test_another_node_gets_the_librarys_own_copy(plane: Plane) -> None:
    await plane.know(a_node("node-1"), a_node("node-2"))
    first = await begun(plane, replace(DEBIAN, node="node-1"))
    plane.nodes.say(first.id, state=JobState.READY, published=a_published_image())
    await settle()
    second = await begun(plane, replace(DEBIAN, node="node-2"))
    order = plane.nodes.journal[second.id].order
    assert (second.kind, order.library_digest, order.url) == (JobKind.PLACE, DIGEST, "")
    proof = Evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected=DIGEST[7:], actual=DIGEST[7:])
    copied = replace(a_published_image(), evidence=proof)
    plane.nodes.say(second.id, state=JobState.READY, published=copied)
    await settle()
    image = await plane.image(first.image_id)
    assert [p.node_id for p in image.ready_placements] == ["node-1", "node-2"]
    assert image.trust is TrustLevel.CHECKSUM
