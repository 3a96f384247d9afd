"""Nodes whose stores are read and not written: what is given to them, what waits for them, what is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from image_library.controlplane.services.conversions import Conversions, ConversionWish
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.controlplane.services.node_choice import choose_beside, roomiest_node
from image_library.controlplane.services.placing import PlacementWish
from image_library.domain.errors import StorageIo, StoreDegraded
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.node import Heartbeat, Node
from image_library.domain.placing import Outcome
from image_library.domain.store_health import Degradation, ScrubState, Trouble
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    NOW,
    a_copy,
    a_job,
    a_node,
    a_published_image,
    a_ready_image,
)
from tests.fakes.control_vms import VmPlane, a_wish
from tests.unit.controlplane.services.test_placing import PlacingPlane, jobs_of
from tests.unit.controlplane.services.test_vms_create import debian_image

FAILING = Degradation(trouble=Trouble.FAILING, reason="A sync failed (input/output error).", since=NOW)
READ_ONLY = Degradation(trouble=Trouble.READ_ONLY, reason="The file system is read-only.", since=NOW)
DEBIAN = DownloadWish(catalog_id="debian-12")
WAITS = "node node-1.example, whose store is degraded (failing): A sync failed (input/output error)."


def ill(node_id: str = "node-1", degraded: Degradation = FAILING) -> Node:
    return a_node(node_id, degraded=degraded)


@pytest.fixture
async def placing() -> AsyncGenerator[PlacingPlane]:
    plane = PlacingPlane()
    yield plane
    await plane.conductor.close()
    await plane.runs.close()


async def test_nothing_new_goes_to_a_degraded_node(plane: Plane) -> None:
    await plane.know(ill(), a_node("node-2"))
    job, _ = await plane.downloads.start(DEBIAN)
    assert job.node_id == "node-2"
    async with plane.database.read() as records:
        assert (await roomiest_node(records, 1)).id == "node-2"
        image = a_ready_image(placements=(a_copy("node-1"),))
        assert (await choose_beside(records, image, 1)).id == "node-2"


@pytest.mark.parametrize(
    ("degraded", "said"),
    [(FAILING, "limiquantix nodes resume node-1.example"), (READ_ONLY, "the node notices by itself")],
)
async def test_a_new_job_is_refused_where_no_other_node_is(
    plane: Plane, degraded: Degradation, said: str
) -> None:
    await plane.know(ill(degraded=degraded))
    source = ImportWish(
        url="https://example.org/x.qcow2", image=Description(name="golden"), checksum="0" * 64
    )
    for wish in (plane.downloads.start(DEBIAN), plane.downloads.start(replace(DEBIAN, node="node-1"))):
        with pytest.raises(StoreDegraded, match=said):
            await wish
    for named in ("", "node-1"):
        with pytest.raises(StoreDegraded, match=said):
            await plane.imports.start(replace(source, node=named))
    async with plane.database.read() as records:
        assert await records.jobs.live() == ()


async def test_what_is_there_already_is_found_there(plane: Plane) -> None:
    await plane.know(ill(), debian_image(placements=(a_copy(),)))
    job, image = await plane.downloads.start(DEBIAN)
    assert (job.state, image.id) == (JobState.READY, "image-1")


async def test_adopting_converting_and_repeating_are_refused(plane: Plane) -> None:
    lost = Failure(code="storage.io_error", message="The disk failed.")
    await plane.know(
        ill(),
        a_ready_image("own", digest="", placements=(a_copy(path="/images/own.qcow2"),)),
        a_ready_image("image-1"),
        a_job(state=JobState.FAILED, failure=lost),
    )
    with pytest.raises(StoreDegraded):
        await plane.adoptions.start("own")
    with pytest.raises(StoreDegraded):
        await plane.downloads.retry("job-1")
    conversions = Conversions(
        database=plane.database,
        images=plane.images,
        runs=plane.runs,
        clock=plane.clock,
        new_id=plane.new_id,
    )
    with pytest.raises(StoreDegraded):
        await conversions.start(ConversionWish(image="image-1", format="raw"))
    await plane.know(a_node("node-2"), a_ready_image("image-1", placements=(a_copy(), a_copy("node-2"))))
    job = await conversions.start(ConversionWish(image="image-1", format="raw"))
    assert job.node_id == "node-2"


async def test_a_queued_job_stays_queued_and_says_what_it_waits_for(plane: Plane) -> None:
    await plane.know(a_node())
    plane.nodes.refusal = FAILING.refusal("node-1.example")
    job, _ = await plane.downloads.start(DEBIAN)
    await settle()
    # The node has refused it before its heartbeat said why.
    waiting = await plane.stored_job(job.id)
    assert (waiting.state, "A sync failed" in waiting.waiting_for) == (JobState.QUEUED, True)
    await plane.know(ill())
    # However long it takes.
    plane.clock.jump(days=30)
    await plane.clock.advance(400)
    assert (await plane.stored_job(job.id)).state is JobState.QUEUED
    explained = await plane.downloads.explain(job.id)
    assert explained.waiting_for == WAITS
    assert f"It waits for: {WAITS}" in explained.summary
    plane.nodes.refusal = None
    await plane.registry.resume("node-1")
    await settle()
    assert job.id in plane.nodes.journal
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image())
    await settle()
    assert (await plane.stored_job(job.id)).state is JobState.READY


async def test_a_heartbeat_tells_it_and_its_end_lets_jobs_begin(plane: Plane) -> None:
    await plane.know(a_node())
    plane.nodes.refusal = READ_ONLY.refusal("node-1.example")
    job, _ = await plane.downloads.start(DEBIAN)
    scrub = ScrubState(reading="debian-12.qcow2", done=1, total=2, due=1)
    await plane.registry.beat(Heartbeat(node_id="node-1", degraded=READ_ONLY, scrub=scrub))
    node = await plane.registry.get("node-1")
    assert (node.degraded, node.scrub, node.is_ready, node.takes_images) == (READ_ONLY, scrub, True, False)
    await settle()
    plane.nodes.refusal = None
    # Nobody has to look at a clock: the beat is the bell.
    await plane.registry.beat(Heartbeat(node_id="node-1"))
    await settle()
    assert job.id in plane.nodes.journal
    assert (await plane.node("node-1")).degraded is None


async def test_what_is_read_again_moves_without_being_written_down(plane: Plane) -> None:
    await plane.know(a_node())
    for done in (1, 2):
        await plane.clock.advance(10)
        scrub = ScrubState(reading="debian-12.qcow2", done=done, total=2, due=1)
        await plane.registry.beat(Heartbeat(node_id="node-1", scrub=scrub))
    fresh, stored = await plane.registry.get("node-1"), await plane.node("node-1")
    assert (fresh.scrub, stored.scrub) == (scrub, replace(scrub, done=1))


async def test_a_node_that_cannot_write_is_not_believed_to_be_well(plane: Plane) -> None:
    await plane.know(ill())
    plane.nodes.resume_refusal = StorageIo("The disk failed.")
    with pytest.raises(StorageIo):
        await plane.registry.resume("node-1.example")
    assert (await plane.node("node-1")).degraded == FAILING
    plane.nodes.resume_refusal = None
    assert (await plane.registry.resume("node-1.example")).degraded is None
    assert plane.nodes.resumed == ["node-1"]


async def test_a_placement_refuses_degraded_nodes_and_waits_for_those_that_became_it(
    placing: PlacingPlane,
) -> None:
    await placing.know(a_node(), a_node("node-2"), ill("node-3"), debian_image())
    wish = PlacementWish(image="debian-12", all_nodes=True, at_a_time=1)
    results = {result.node.id: result for result in await placing.placements.place(wish)}
    assert results["node-3"].outcome is Outcome.REFUSED
    assert isinstance(results["node-3"].error, StoreDegraded)
    job_id = jobs_of(tuple(results.values()))["node-2"]
    await settle()
    assert job_id in placing.nodes.journal


async def test_a_waiting_turn_is_not_begun_on_a_degraded_node(placing: PlacingPlane) -> None:
    await placing.know(a_node(), *(a_node(f"node-{n}") for n in (2, 3, 4)), debian_image())
    wish = PlacementWish(image="debian-12", all_nodes=True, at_a_time=1)
    placed = jobs_of(await placing.placements.place(wish))
    jobs = {node: job for node, job in placed.items() if job}
    await settle()
    [first] = [node for node, job in jobs.items() if job in placing.nodes.journal]
    later = sorted(set(jobs) - {first})
    await placing.know(ill(later[0]))
    placing.nodes.say(jobs[first], state=JobState.FAILED, failure=Failure(code="x", message="It failed."))
    await settle()
    assert jobs[later[0]] not in placing.nodes.journal
    assert jobs[later[1]] in placing.nodes.journal
    waits = (await placing.stored_job(jobs[later[0]])).waiting_for
    assert waits == WAITS.replace("node-1", later[0])


@pytest.mark.parametrize("degraded", [FAILING, READ_ONLY])
async def test_a_vm_prefers_another_node_and_starts_there_where_there_is_none(degraded: Degradation) -> None:
    plane = VmPlane()
    try:
        await plane.know(ill(degraded=degraded), debian_image())
        assert (await plane.vms.create(a_wish(name="alone"))).node_id == "node-1"
        both = debian_image(placements=(a_copy("node-1"), a_copy("node-2")))
        await plane.know(a_node("node-2"), both)
        assert (await plane.vms.create(a_wish(name="web-2"))).node_id == "node-2"
    finally:
        await plane.close()
