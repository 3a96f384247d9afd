"""Placements through absences and failures: somebody goes on, and nobody waits for what cannot come."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from image_library.controlplane.services.download_runs import CANCEL_PATIENCE_SECONDS, node_key
from image_library.controlplane.services.placement_conductor import LOOK_AGAIN_SECONDS
from image_library.controlplane.services.placing import PlacementWish
from image_library.domain.errors import ImageNotReady
from image_library.domain.image import Failure, PlacementState
from image_library.domain.job import JobKind, JobState
from image_library.domain.node import NodePhase
from image_library.domain.placing import MOST_FIRST_TRIES, Outcome
from tests.fakes.control_clock import settle
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    a_copy,
    a_job,
    a_node,
    a_published_image,
    a_ready_image,
    an_evidence,
)
from tests.unit.controlplane.services.test_placing import EVERYWHERE, PlacingPlane, jobs_of

FULL = Failure(code="storage.full", message="There is no space left.")
WRONG = Failure(code="verify.digest_mismatch", message="Other bytes came.")


@pytest.fixture
async def plane() -> AsyncGenerator[PlacingPlane]:
    plane = PlacingPlane()
    await plane.know(*(a_node(f"node-{number}") for number in range(1, 5)))
    yield plane
    await plane.conductor.close()
    await plane.runs.close()


async def begun(plane: PlacingPlane, **wish: object) -> dict[str, str]:
    """The job of each node."""
    facts = {"image": "debian-12", "all_nodes": True} | wish
    jobs = jobs_of(await plane.placements.place(PlacementWish(**facts)))  # pyright: ignore[reportArgumentType]
    await settle()
    return jobs


async def away(plane: PlacingPlane, node_id: str) -> None:
    plane.nodes.go_away(node_id)
    await plane.know((await plane.node(node_id)).evolve(phase=NodePhase.OFFLINE))


async def back(plane: PlacingPlane, node_id: str) -> None:
    plane.nodes.away.discard(node_id)
    await plane.know((await plane.node(node_id)).evolve(phase=NodePhase.READY))
    plane.changes.notify(node_key(node_id))


def at_work(plane: PlacingPlane) -> list[str]:
    return [job_id for job_id, download in plane.nodes.journal.items() if not download.state.ended]


async def states(plane: PlacingPlane, jobs: dict[str, str]) -> dict[str, JobState]:
    return {node: (await plane.stored_job(job_id)).state for node, job_id in jobs.items()}


async def test_with_the_first_cancelled_another_fetches_for_all(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    (first,) = at_work(plane)
    await plane.downloads.cancel(first)
    await settle()
    (second,) = at_work(plane)
    job = await plane.stored_job(second)
    assert (job.kind, job.id) == (JobKind.DOWNLOAD, jobs["node-2"])
    asked = plane.nodes.journal[second].order
    assert (asked.url, asked.library_digest) == ("https://example.org/debian-12-x86_64.qcow2", "")
    waiting = await plane.stored_job(jobs["node-3"])
    assert waiting.waiting_for == "the first copy, which node-2.example fetches"

    plane.nodes.say(second, state=JobState.READY, published=a_published_image())
    await settle()
    assert sorted(at_work(plane)) == sorted([jobs["node-3"], jobs["node-4"]])
    for copy in at_work(plane):
        assert plane.nodes.journal[copy].order.library_digest == DIGEST
        await plane.copied(copy)
    found = await states(plane, jobs)
    assert found.pop("node-1") is JobState.CANCELLED
    assert set(found.values()) == {JobState.READY}


async def test_a_first_node_that_is_full_is_replaced(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    plane.nodes.say(jobs["node-1"], state=JobState.FAILED, failure=FULL)
    await settle()
    assert at_work(plane) == [jobs["node-2"]]


async def test_bytes_that_are_wrong_are_not_fetched_by_everybody(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    plane.nodes.say(jobs["node-1"], state=JobState.FAILED, failure=WRONG)
    await settle()
    assert set((await states(plane, jobs)).values()) == {JobState.FAILED}
    other = await plane.stored_job(jobs["node-3"])
    assert other.failure is not None
    assert other.failure.code == "image.not_ready"
    assert "Other bytes came" in other.failure.message


async def test_so_many_tries_in_vain_are_enough(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    for _ in range(MOST_FIRST_TRIES):
        (first,) = at_work(plane)
        plane.nodes.say(first, state=JobState.FAILED, failure=FULL)
        await settle()
    assert at_work(plane) == []
    assert set((await states(plane, jobs)).values()) == {JobState.FAILED}


async def test_a_first_node_that_goes_away_is_replaced(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    await away(plane, "node-1")
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    assert (await plane.stored_job(jobs["node-2"])).kind is JobKind.DOWNLOAD
    plane.nodes.say(jobs["node-2"], state=JobState.READY, published=a_published_image())
    await settle()
    for copy in (jobs["node-3"], jobs["node-4"]):
        await plane.copied(copy)
    assert (await states(plane, jobs)) == {
        "node-1": JobState.QUEUED,
        "node-2": JobState.READY,
        "node-3": JobState.READY,
        "node-4": JobState.READY,
    }


async def test_a_node_that_is_away_keeps_nobody_from_its_turn(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    await away(plane, "node-2")
    jobs = await begun(plane, image="golden", at_a_time=1)
    absent = await plane.stored_job(jobs["node-2"])
    assert absent.waiting_for == "node node-2.example, which does not answer"
    for node_id in ("node-3", "node-4"):
        assert at_work(plane) == [jobs[node_id]]
        await plane.copied(jobs[node_id])
    assert at_work(plane) == []
    await back(plane, "node-2")
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    assert at_work(plane) == [jobs["node-2"]]


async def test_a_copying_node_that_goes_away_gives_its_turn_to_the_next(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    jobs = await begun(plane, image="golden", at_a_time=1)
    assert at_work(plane) == [jobs["node-2"]]
    await away(plane, "node-2")
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    assert jobs["node-3"] in at_work(plane)
    assert jobs["node-4"] not in at_work(plane)


async def test_with_every_holder_away_the_others_wait_for_one(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    jobs = await begun(plane, image="golden", at_a_time=1)
    await away(plane, "node-1")
    await plane.copied(jobs["node-2"])
    await away(plane, "node-2")
    await plane.downloads.cancel(jobs["node-3"])
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    waiting = await plane.stored_job(jobs["node-4"])
    assert waiting.waiting_for == "a copy: node-1.example, node-2.example has one and does not answer"
    await back(plane, "node-2")
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    assert at_work(plane) == [jobs["node-4"]]


async def test_who_stays_away_for_too_long_is_given_up(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    await away(plane, "node-2")
    jobs = await begun(plane, image="golden", at_a_time=1)
    await plane.clock.advance(LOOK_AGAIN_SECONDS)
    assert (await plane.stored_job(jobs["node-2"])).state is JobState.QUEUED
    await plane.clock.advance(24 * 3600)
    await plane.clock.advance(CANCEL_PATIENCE_SECONDS)
    ended = await plane.stored_job(jobs["node-2"])
    assert ended.failure is not None
    assert ended.failure.code == "node.unreachable"
    assert "24 hours it waited for node node-2.example" in ended.failure.message
    # Who waits for a turn, and not for somebody who is away, goes on waiting.
    assert (await plane.stored_job(jobs["node-4"])).state is JobState.QUEUED


async def test_a_copy_that_never_came_is_repeated_as_a_download(plane: PlacingPlane) -> None:
    jobs = await begun(plane)
    plane.nodes.say(jobs["node-1"], state=JobState.FAILED, failure=WRONG)
    await settle()
    again = await plane.downloads.retry(jobs["node-3"])
    await settle()
    assert (again.kind, again.group) == (JobKind.DOWNLOAD, "")
    assert plane.nodes.journal[again.id].order.url == "https://example.org/debian-12-x86_64.qcow2"


async def test_with_every_copy_gone_nobody_waits(plane: PlacingPlane) -> None:
    image = a_ready_image(evidence=an_evidence(), name="golden")
    await plane.know(image)
    jobs = await begun(plane, image="golden", at_a_time=1)
    await plane.know((await plane.image("image-1")).evolve(placements=()))
    await plane.downloads.cancel(jobs["node-2"])
    await settle()
    gone = await plane.stored_job(jobs["node-4"])
    assert gone.failure is not None
    assert "No node has it any more" in gone.failure.message


async def test_all_get_the_version_that_came_in_the_end(plane: PlacingPlane) -> None:
    """The publisher moved on while everybody who has the old version is away."""
    old = a_ready_image(
        "old", "node-9", name="debian-12", catalog_id="debian-12", evidence=an_evidence(), digest=OTHER_DIGEST
    )
    old = old.evolve(os=old.os.__class__(architecture="x86_64"))
    await plane.know(a_node("node-9", phase=NodePhase.OFFLINE), old)
    plane.nodes.away.add("node-9")
    jobs = await begun(plane, all_nodes=False, nodes=["node-1", "node-2"])
    assert at_work(plane) == [jobs["node-1"]]
    plane.nodes.say(jobs["node-1"], state=JobState.READY, published=a_published_image())
    await settle()
    assert plane.nodes.journal[jobs["node-2"]].order.library_digest == DIGEST
    await plane.copied(jobs["node-2"])
    job = await plane.stored_job(jobs["node-2"])
    new = await plane.image(job.image_id)
    assert (new.version, new.current, len(new.ready_placements)) == (2, True, 2)
    assert [p.node_id for p in (await plane.image("old")).placements] == ["node-9"]


async def test_an_old_version_that_nobody_has_is_not_replaced_by_the_new_one(plane: PlacingPlane) -> None:
    gone = a_copy("node-1").__class__(node_id="node-1", state=PlacementState.UNAVAILABLE)
    old = a_ready_image("old", name="debian-12", catalog_id="debian-12", placements=(gone,), current=False)
    new = a_ready_image("new", name="debian-12", catalog_id="debian-12", version=2, digest=OTHER_DIGEST)
    await plane.know(old, new)
    with pytest.raises(ImageNotReady, match="'debian-12@1'"):
        await plane.placements.place(PlacementWish(image="debian-12@1", nodes=["node-2"]))


async def test_space_that_is_promised_is_not_given_twice(plane: PlacingPlane) -> None:
    mib = 1 << 20
    await plane.know(
        a_ready_image(evidence=an_evidence(), name="golden", size_bytes=300 * mib),
        a_node("node-2", disk_total_bytes=500 * mib),
        a_job("other", image_id="other", node_id="node-2", space_bytes=300 * mib),
    )
    results = await plane.placements.place(PlacementWish(image="golden", nodes=["node-2"]))
    assert [(r.outcome, r.error.code if r.error else "") for r in results] == [
        (Outcome.REFUSED, "storage.full")
    ]


async def test_where_no_node_can_take_it_nothing_begins(plane: PlacingPlane) -> None:
    await plane.know(*(a_node(f"node-{number}", disk_total_bytes=1000) for number in range(1, 5)))
    results = await plane.placements.place(EVERYWHERE)
    assert {result.outcome for result in results} == {Outcome.REFUSED}
    async with plane.database.read() as records:
        assert await records.jobs.live() == ()
        assert await records.images.names() == ()


async def test_two_placements_at_once_ask_the_publisher_once(plane: PlacingPlane) -> None:
    one = await begun(plane, all_nodes=False, nodes=["node-1", "node-2"])
    two = await begun(plane, all_nodes=False, nodes=["node-3", "node-4"])
    await plane.downloads.cancel(one["node-1"])
    await settle()
    downloads = [j for j in at_work(plane) if (await plane.stored_job(j)).kind is JobKind.DOWNLOAD]
    assert len(downloads) == 1
    plane.nodes.say(downloads[0], state=JobState.READY, published=a_published_image())
    await settle()
    for copy in at_work(plane):
        await plane.copied(copy)
    found = (await states(plane, one)) | (await states(plane, two))
    assert found.pop("node-1") is JobState.CANCELLED
    assert set(found.values()) == {JobState.READY}
