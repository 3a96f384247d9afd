"""Jobs after their first end, and while nothing happens: repeated, explained, given up, forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.services import history
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.domain.errors import (
    JobNotFailed,
    JobNotRepeatable,
    SourceUnreachable,
    UnknownImage,
    UnknownJob,
)
from image_library.domain.image import Failure, ImagePhase
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Progress, Tries
from image_library.domain.repeats import KnownCall
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import NOW, a_job, a_node, a_published_image, an_image, an_order

DEBIAN = DownloadWish(catalog_id="debian-12")
LOST = Failure(code="import.unreachable", message="No answer.", remedy="Check.")
LIVE = [state for state in JobState if not state.ended]


async def begun(plane: Plane) -> Job:
    await plane.know(a_node())
    job, _ = await plane.downloads.start(DEBIAN)
    await settle()
    return job


async def failed(plane: Plane) -> Job:
    job = await begun(plane)
    plane.nodes.say(job.id, state=JobState.FAILED, failure=LOST)
    await settle()
    return await plane.stored_job(job.id)


async def test_a_failed_job_is_repeated_under_a_new_id(plane: Plane) -> None:
    job = await failed(plane)
    retry = await plane.downloads.retry(job.id)
    await settle()
    assert (retry.retry_of, retry.kind, retry.image_id) == (job.id, job.kind, job.image_id)
    assert plane.nodes.journal[retry.id].order == replace(plane.nodes.journal[job.id].order, job_id=retry.id)
    image = await plane.image(job.image_id)
    assert (image.phase, image.failure) == (ImagePhase.PENDING, None)
    assert (await plane.stored_job(job.id)).state is JobState.FAILED


async def test_repeating_twice_makes_one_retry_also_when_it_has_ended(plane: Plane) -> None:
    job = await failed(plane)
    first, second = await plane.downloads.retry(job.id), await plane.downloads.retry(job.id)
    assert first.id == second.id
    await settle()
    plane.nodes.say(first.id, state=JobState.READY, published=a_published_image())
    await settle()
    third = await plane.downloads.retry(job.id)
    assert (third.id, third.state) == (first.id, JobState.READY)


async def test_a_live_job_for_the_same_is_its_retry(plane: Plane) -> None:
    job = await failed(plane)
    other, _ = await plane.downloads.start(DEBIAN)
    assert (await plane.downloads.retry(job.id)).id == other.id


async def test_what_cannot_be_repeated_says_why(plane: Plane) -> None:
    with pytest.raises(UnknownJob):
        await plane.downloads.retry("nope")
    job = await begun(plane)
    with pytest.raises(JobNotFailed, match="still going on"):
        await plane.downloads.retry(job.id)
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    with pytest.raises(JobNotFailed, match="has done"):
        await plane.downloads.retry(job.id)
    await plane.know(an_image(), a_job("up", kind=JobKind.UPLOAD, state=JobState.FAILED, failure=LOST))
    with pytest.raises(JobNotRepeatable, match="upload"):
        await plane.downloads.retry("up")
    await plane.know(a_job("lost", image_id="gone", state=JobState.CANCELLED))
    with pytest.raises(UnknownImage):
        await plane.downloads.retry("lost")


async def test_a_job_in_words_while_it_waits(plane: Plane) -> None:
    job = await begun(plane)
    plane.nodes.say(
        job.id,
        state=JobState.FETCHING,
        progress=Progress(done=10, total=100),
        waiting_for="example.org cannot answer now (HTTP 503). Trying again in 60 s.",
        tries=Tries(attempt=3, attempts=8, next_at=NOW + timedelta(seconds=60)),
    )
    await settle()
    said = await plane.downloads.explain(job.id)
    assert said.summary == (
        f"Job {job.id} downloads 'debian-12' to node-1.example. It fetches the bytes. It waits for: "
        "example.org cannot answer now (HTTP 503). Trying again in 60 s. Try 3 of 8."
    )
    assert said.waiting_since == NOW
    assert said.tries == Tries(attempt=3, attempts=8, next_at=NOW + timedelta(seconds=60))
    assert said.next_source == "https://example.org/debian-12-x86_64.qcow2"
    assert said.steps[:2] == ("Asked for at 2026-11-23 12:00:00 UTC.", "10 of 100 bytes are there.")
    assert said.steps[3] == "Try 3 of 8 begins at 2026-11-23 12:01:00 UTC."
    assert said.steps[4] == "Now: It fetches the bytes."
    assert said.steps[5] == "Next: Compare the bytes with the checksum file https://example.org/SHA512SUMS."


async def test_a_job_in_words_before_and_after(plane: Plane) -> None:
    job = await begun(plane)
    assert (await plane.downloads.explain(job.id)).next_source == "https://example.org/SHA512SUMS"
    plane.nodes.say(job.id, state=JobState.FAILED, failure=LOST)
    await settle()
    said = await plane.downloads.explain(job.id)
    assert said.summary.endswith("It has failed. No answer.")
    assert said.steps[-2:] == (
        "No answer. Check.",
        f"It can be tried again: 'limiquantix jobs retry {job.id}'.",
    )
    assert said.next_source == ""
    retry = await plane.downloads.retry(job.id)
    assert (await plane.downloads.explain(job.id)).steps[-1] == f"Job {retry.id} repeats it."
    again = (await plane.downloads.explain(retry.id)).steps[0]
    assert again == f"Asked for at 2026-11-23 12:00:00 UTC. It repeats job {job.id}."
    with pytest.raises(UnknownJob):
        await plane.downloads.explain("nope")


@pytest.mark.parametrize("kind", list(JobKind))
@pytest.mark.parametrize("state", list(JobState))
async def test_every_job_can_be_told_in_words(plane: Plane, kind: JobKind, state: JobState) -> None:
    await plane.know(a_node(), a_job(kind=kind, state=state))
    said = await plane.downloads.explain("job-1")
    assert said.summary.startswith("Job job-1 ")
    assert len(said.steps) >= 2


async def test_since_when_it_waits_is_kept_for_as_long_as_it_waits_for_that(plane: Plane) -> None:
    job = a_job()
    first = job.evolve(waiting_for="space", updated_at=NOW + timedelta(seconds=1))
    same = first.evolve(waiting_for="space", updated_at=NOW + timedelta(seconds=2))
    other = same.evolve(waiting_for="a node", updated_at=NOW + timedelta(seconds=3))
    assert [j.waiting_since for j in (job, first, same, other, other.evolve(waiting_for=""))] == [
        None,
        NOW + timedelta(seconds=1),
        NOW + timedelta(seconds=1),
        NOW + timedelta(seconds=3),
        None,
    ]


async def test_a_node_that_stays_away_ends_its_jobs(plane: Plane) -> None:
    plane.nodes.away.add("node-1")
    job = await begun(plane)
    await plane.clock.advance(23 * 3600)
    assert not (await plane.stored_job(job.id)).state.ended
    await plane.clock.advance(3600)
    ended, image = await plane.stored_job(job.id), await plane.image(job.image_id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (JobState.FAILED, "node.unreachable")
    assert ended.failure.message == "Node node-1.example has not answered for 24 hours."
    assert (image.phase, ended.waiting_for, ended.waiting_since) == (ImagePhase.ERROR, "", None)
    plane.nodes.away.clear()
    retry = await plane.downloads.retry(job.id)
    await settle()
    plane.nodes.say(retry.id, state=JobState.READY, published=a_published_image())
    await settle()
    assert (await plane.image(job.image_id)).phase is ImagePhase.READY


async def test_a_node_gets_its_chance_after_our_own_absence(plane: Plane) -> None:
    long_ago = NOW - timedelta(days=3)
    waiting = "node node-1.example, which does not answer"
    job = a_job(waiting_for=waiting, waiting_since=long_ago, created_at=long_ago)
    plane.nodes.away.add("node-1")
    await plane.know(a_node(), an_image(), job)
    await plane.downloads.resume()
    await settle()
    assert not (await plane.stored_job(job.id)).state.ended
    for _ in range(70):
        await plane.clock.advance(5)
    assert (await plane.stored_job(job.id)).state is JobState.FAILED


@pytest.mark.parametrize("state", LIVE)
async def test_nothing_is_stuck_after_a_kill(plane: Plane, state: JobState) -> None:
    """The database as a killed process left it, and a node that finished meanwhile."""
    await plane.know(a_node(), an_image(phase=ImagePhase.DOWNLOADING), a_job(state=state))
    await plane.downloads.resume()
    await settle()
    plane.nodes.say("job-1", state=JobState.READY, published=a_published_image())
    await settle()
    assert (await plane.stored_job("job-1")).state is JobState.READY
    assert (await plane.image("image-1")).phase is ImagePhase.READY


@pytest.mark.parametrize("away", [False, True], ids=["node there", "node away"])
@pytest.mark.parametrize("state", LIVE)
async def test_a_job_is_cancelled_in_every_state(plane: Plane, state: JobState, away: bool) -> None:
    await plane.know(a_node(), an_image(phase=ImagePhase.DOWNLOADING), a_job(state=state))
    if away:
        plane.nodes.away.add("node-1")
    await plane.downloads.resume()
    await settle()
    cancelled = await plane.downloads.cancel("job-1")
    assert cancelled.failure is not None
    assert (cancelled.state, cancelled.failure.code) == (JobState.CANCELLED, "job.cancelled")
    assert (await plane.image("image-1")).phase is ImagePhase.ERROR
    assert (await plane.downloads.cancel("job-1")) == cancelled


async def test_a_job_without_its_node_or_order_ends(plane: Plane) -> None:
    await plane.know(an_image(), a_job())
    await plane.downloads.resume()
    await settle()
    assert (await plane.stored_job("job-1")).state is JobState.FAILED


async def test_jobs_are_listed_by_image_node_and_kind(plane: Plane) -> None:
    await plane.know(
        a_job("a", image_id="i1", node_id="n1"),
        a_job("b", image_id="i2", node_id="n1", kind=JobKind.IMPORT),
        a_job("c", image_id="i1", node_id="n2", kind=JobKind.UPLOAD, state=JobState.FAILED),
    )

    async def found(matching: JobFilter) -> list[str]:
        return sorted(job.id for job in (await plane.downloads.list(matching, PageRequest())).items)

    assert await found(JobFilter(image_id="i1")) == ["a", "c"]
    assert await found(JobFilter(image_id="i1", active_only=True)) == ["a"]
    assert await found(JobFilter(node_id="n1", kinds=frozenset({JobKind.IMPORT}))) == ["b"]
    assert await found(JobFilter(kinds=frozenset({JobKind.UPLOAD, JobKind.DOWNLOAD}))) == ["a", "c"]


async def test_history_is_forgotten_and_work_is_not(plane: Plane) -> None:
    old = NOW - timedelta(days=31)
    await plane.know(
        a_job("live", created_at=old, updated_at=old),
        a_job("old", state=JobState.READY, created_at=old, updated_at=old),
        a_job("fresh", state=JobState.FAILED, failure=LOST),
    )
    async with plane.database.write() as records:
        await records.calls.save(KnownCall(id="k", rpc="x", request_digest="", created_at=old))
    assert await plane.history.prune() == 1
    jobs = await plane.downloads.list(JobFilter(), PageRequest())
    assert sorted(job.id for job in jobs.items) == ["fresh", "live"]
    async with plane.database.read() as records:
        assert await records.calls.get("k") is None


async def test_the_history_has_a_largest_length(plane: Plane) -> None:
    async with plane.database.write() as records:
        for number in range(history.MOST_JOBS + 700):
            moment = NOW + timedelta(seconds=number)
            job = a_job(f"j{number:05}", state=JobState.READY, created_at=moment, updated_at=moment)
            await records.jobs.add(job, an_order(job.id))
    assert await plane.history.prune() == 700
    page = await plane.downloads.list(JobFilter(), PageRequest(size=1))
    assert (page.total, page.items[0].id) == (history.MOST_JOBS, "j10699")


async def test_a_refusal_of_the_node_is_the_jobs_end(plane: Plane) -> None:
    plane.nodes.refusal = SourceUnreachable("Not now.")
    job = await begun(plane)
    assert (await plane.stored_job(job.id)).state is JobState.FAILED
