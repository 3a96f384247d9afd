"""Placing an image on many nodes, and taking copies away again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.eviction import Evictions, EvictionWish
from image_library.controlplane.services.placement_conductor import Conductor
from image_library.controlplane.services.placing import Placements, PlacementWish
from image_library.domain.errors import (
    ImageInUse,
    ImageIsLocal,
    ImageNotReady,
    ImageProtected,
    InvalidRequest,
    LastCopy,
    NodeUnreachable,
    UnknownPool,
)
from image_library.domain.image import Failure, ImagePhase, PlacementState
from image_library.domain.job import JobKind, JobState
from image_library.domain.placing import Outcome, PlacementResult
from image_library.domain.trust import Evidence, TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    a_copy,
    a_job,
    a_node,
    a_published_image,
    a_ready_image,
    a_vm,
    an_evidence,
)

COPIED = replace(
    a_published_image(),
    evidence=Evidence(
        level=TrustLevel.UNVERIFIED, algorithm="sha256", expected=DIGEST[7:], actual=DIGEST[7:]
    ),
)
EVERYWHERE = PlacementWish(image="debian-12", all_nodes=True)


class PlacingPlane(Plane):
    """With ``before``, the same database and nodes under a new process."""

    def __init__(self, before: PlacingPlane | None = None) -> None:
        super().__init__(database=before.database if before else None)
        if before is not None:
            self.nodes.journal = before.nodes.journal
        shared: dict[str, Any] = {"database": self.database, "images": self.images, "clock": self.clock}
        self.conductor = Conductor(
            database=self.database, runs=self.runs, changes=self.changes, clock=self.clock
        )
        self.placements = Placements(
            catalog=self.catalog,
            planner=self.planner,
            runs=self.runs,
            conductor=self.conductor,
            new_id=self.new_id,
            **shared,
        )
        self.evictions = Evictions(gateway=self.nodes, **shared)

    async def copied(self, job_id: str) -> None:
        self.nodes.say(job_id, state=JobState.READY, published=COPIED)
        await settle()


@pytest.fixture
async def plane() -> AsyncGenerator[PlacingPlane]:
    plane = PlacingPlane()
    await plane.know(*(a_node(f"node-{number}") for number in range(1, 6)))
    yield plane
    await plane.conductor.close()
    await plane.runs.close()


def by_outcome(results: tuple[PlacementResult, ...], outcome: Outcome) -> list[str]:
    return sorted(result.node.id for result in results if result.outcome is outcome)


def jobs_of(results: tuple[PlacementResult, ...]) -> dict[str, str]:
    return {result.node.id: result.job_id for result in results}


async def test_the_first_copy_comes_from_the_publisher_and_the_others_from_it(plane: PlacingPlane) -> None:
    results = await plane.placements.place(EVERYWHERE)
    assert len(by_outcome(results, Outcome.STARTED)) == 5
    await settle()
    (first,) = plane.nodes.journal
    job = await plane.stored_job(first)
    assert (job.kind, plane.nodes.journal[first].order.library_digest) == (JobKind.DOWNLOAD, "")
    waiting = await plane.stored_job(next(job_id for job_id in jobs_of(results).values() if job_id != first))
    assert waiting.waiting_for == "the first copy, which node-1.example fetches"

    plane.nodes.say(first, state=JobState.READY, published=a_published_image())
    await settle()
    copies = [d.order for job_id, d in plane.nodes.journal.items() if job_id != first]
    assert len(copies) == 4
    assert {order.library_digest for order in copies} == {DIGEST}
    for order in copies:
        await plane.copied(order.job_id)
    image = await plane.image(job.image_id)
    assert len(image.ready_placements) == 5
    assert image.trust is TrustLevel.CHECKSUM


async def test_only_so_many_fetch_at_a_time(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    wish = PlacementWish(image="golden", all_nodes=True, at_a_time=2)
    results = await plane.placements.place(wish)
    assert by_outcome(results, Outcome.PRESENT) == ["node-1"]
    await settle()
    for begun in (2, 3, 4, 4):
        assert len(plane.nodes.journal) == begun
        live = [job_id for job_id, download in plane.nodes.journal.items() if not download.state.ended]
        await plane.copied(live[0])
    image = await plane.image("image-1")
    assert len(image.placements) == 5


async def test_a_cancelled_one_gives_its_turn_to_the_next(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    results = await plane.placements.place(PlacementWish(image="golden", all_nodes=True, at_a_time=1))
    await settle()
    (running,) = plane.nodes.journal
    await plane.downloads.cancel(running)
    await settle()
    assert len(plane.nodes.journal) == 2
    waiting = [job_id for job_id in jobs_of(results).values() if job_id and job_id not in plane.nodes.journal]
    assert (await plane.downloads.cancel(waiting[0])).state is JobState.CANCELLED


async def test_a_restart_goes_on_with_the_turns(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    await plane.placements.place(PlacementWish(image="golden", all_nodes=True, at_a_time=1))
    await settle()
    await plane.conductor.close()
    await plane.runs.close()
    again = PlacingPlane(plane)
    await again.downloads.resume()
    await again.conductor.resume()
    for _ in range(4):
        await settle()
        live = [job_id for job_id, download in again.nodes.journal.items() if not download.state.ended]
        assert len(live) == 1
        await again.copied(live[0])
    assert len((await again.image("image-1")).ready_placements) == 5
    await again.conductor.close()
    await again.runs.close()


async def test_without_a_first_copy_there_are_no_others(plane: PlacingPlane) -> None:
    results = await plane.placements.place(EVERYWHERE)
    await settle()
    (first,) = plane.nodes.journal
    broken = Failure(code="verify.digest_mismatch", message="Wrong.")
    plane.nodes.say(first, state=JobState.FAILED, failure=broken)
    await settle()
    await plane.clock.advance(10)
    states = {(await plane.stored_job(job_id)).state for job_id in jobs_of(results).values()}
    assert states == {JobState.FAILED}


async def test_twice_is_once(plane: PlacingPlane) -> None:
    first = await plane.placements.place(EVERYWHERE)
    second = await plane.placements.place(EVERYWHERE)
    assert jobs_of(first) == jobs_of(second)


async def test_a_full_node_refuses_alone(plane: PlacingPlane) -> None:
    await plane.know(
        a_ready_image(evidence=an_evidence(), name="golden"),
        a_node("node-3", disk_total_bytes=10, disk_used_bytes=10),
    )
    results = await plane.placements.place(PlacementWish(image="golden", all_nodes=True))
    (refused,) = [result for result in results if result.outcome is Outcome.REFUSED]
    assert refused.error is not None
    assert (refused.node.id, refused.error.code) == ("node-3", "storage.full")
    assert by_outcome(results, Outcome.STARTED) == ["node-2", "node-4", "node-5"]


async def test_nodes_are_named_by_their_pools_too(plane: PlacingPlane) -> None:
    await plane.know(a_ready_image(evidence=an_evidence(), name="golden"))
    wish = PlacementWish(
        image="golden", nodes=["node-2.example"], pools=["store-of-node-3", "store-of-node-2"]
    )
    results = await plane.placements.place(wish)
    assert by_outcome(results, Outcome.STARTED) == ["node-2", "node-3"]
    with pytest.raises(UnknownPool):
        await plane.placements.place(PlacementWish(image="golden", pools=["nothing"]))
    with pytest.raises(InvalidRequest, match="No node is named"):
        await plane.placements.place(PlacementWish(image="golden"))


async def test_what_nobody_has_and_nobody_can_fetch_is_not_placed(plane: PlacingPlane) -> None:
    gone = replace(a_copy(), state=PlacementState.UNAVAILABLE)
    await plane.know(a_ready_image(name="golden", placements=(gone,)))
    with pytest.raises(ImageNotReady):
        await plane.placements.place(PlacementWish(image="golden", all_nodes=True))


# --- eviction


@pytest.fixture
async def two_copies(plane: PlacingPlane) -> PlacingPlane:
    await plane.know(
        a_ready_image(evidence=an_evidence(), name="golden", placements=(a_copy("node-1"), a_copy("node-2")))
    )
    return plane


def from_node(node: str, *, last_copy_too: bool = False) -> EvictionWish:
    return EvictionWish(image="golden", nodes=[node], last_copy_too=last_copy_too)


async def test_a_copy_that_nothing_needs_goes(two_copies: PlacingPlane) -> None:
    image = await two_copies.evictions.evict(from_node("node-2"))
    assert [copy.node_id for copy in image.placements] == ["node-1"]
    assert two_copies.nodes.removed == [("node-2", DIGEST)]
    assert (await two_copies.evictions.evict(from_node("node-2"))).placements == image.placements


async def test_the_last_copy_goes_only_when_told(two_copies: PlacingPlane) -> None:
    await two_copies.evictions.evict(from_node("node-2"))
    with pytest.raises(LastCopy):
        await two_copies.evictions.evict(from_node("node-1"))
    image = await two_copies.evictions.evict(from_node("node-1", last_copy_too=True))
    assert (image.placements, image.phase) == ((), ImagePhase.ERROR)


async def test_what_is_needed_stays(two_copies: PlacingPlane) -> None:
    plane = two_copies
    await plane.know(a_vm(image_id="image-1", node_id="node-2"))
    with pytest.raises(ImageInUse, match="vm-1"):
        await plane.evictions.evict(from_node("node-2"))
    await plane.know(a_job(image_id="image-1", node_id="node-1"))
    with pytest.raises(ImageInUse, match="job-1"):
        await plane.evictions.evict(from_node("node-1"))
    image = await plane.image("image-1")
    await plane.know(image.evolve(protected=True))
    with pytest.raises(ImageProtected):
        await plane.evictions.evict(from_node("node-2"))
    await plane.know(image.evolve(digest=""))
    with pytest.raises(ImageIsLocal):
        await plane.evictions.evict(from_node("node-2"))
    assert plane.nodes.removed == []


async def test_a_node_that_is_away_keeps_its_copy(two_copies: PlacingPlane) -> None:
    two_copies.nodes.go_away("node-2")
    with pytest.raises(NodeUnreachable):
        await two_copies.evictions.evict(from_node("node-2"))
    image = await two_copies.image("image-1")
    assert [copy.state for copy in image.placements] == [PlacementState.READY, PlacementState.READY]


async def test_a_file_that_another_image_shares_stays_on_the_node(two_copies: PlacingPlane) -> None:
    await two_copies.know(a_ready_image("twin", node_id="node-2", name="twin"))
    image = await two_copies.evictions.evict(from_node("node-2"))
    assert [copy.node_id for copy in image.placements] == ["node-1"]
    assert two_copies.nodes.removed == []


async def test_with_a_node_away_the_copies_that_did_not_go_are_as_they_were(two_copies: PlacingPlane) -> None:
    plane = two_copies
    lost = replace(a_copy("node-3"), state=PlacementState.UNAVAILABLE)
    await plane.know((await plane.image("image-1")).with_placement(lost))
    plane.nodes.go_away("node-3")
    wish = EvictionWish(image="golden", nodes=["node-1", "node-3", "node-2"], last_copy_too=True)
    with pytest.raises(NodeUnreachable):
        await plane.evictions.evict(wish)
    states = {copy.node_id: copy.state for copy in (await plane.image("image-1")).placements}
    assert states == {"node-2": PlacementState.READY, "node-3": PlacementState.UNAVAILABLE}
    assert plane.nodes.removed == [("node-1", DIGEST)]
