"""Damaged copies are fetched again: from whom, how often, and with what pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.fetch_again import FetchAgain
from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.controlplane.services.inventory import DAMAGED
from image_library.controlplane.services.placement_conductor import Conductor
from image_library.controlplane.services.placing import Placements
from image_library.controlplane.services.repairs import FIRST_PAUSE_SECONDS, MOST_TRIES, Repairs
from image_library.domain.conversion import Shape
from image_library.domain.image import Failure, Image, ImageFormat, ImagePhase, Placement, PlacementState
from image_library.domain.job import JobKind, JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.node import NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.trust import Evidence, TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import DIGEST, a_copy, a_node, a_published_image, a_ready_image, an_evidence

COPIED = replace(
    a_published_image(),
    evidence=Evidence(
        level=TrustLevel.UNVERIFIED, algorithm="sha256", expected=DIGEST[7:], actual=DIGEST[7:]
    ),
)
LOST = Failure(code="node.unreachable", message="It did not come.")
NEWER = "b" * 64
# Of the tries after the first, since the first.
TIMES = (60, 5 * 60, 21 * 60, 85 * 60)


class RepairPlane(Plane):
    def __init__(self) -> None:
        super().__init__()
        self.conductor = Conductor(
            database=self.database, runs=self.runs, changes=self.changes, clock=self.clock
        )
        self.placements = Placements(
            database=self.database,
            images=self.images,
            catalog=self.catalog,
            planner=self.planner,
            runs=self.runs,
            conductor=self.conductor,
            clock=self.clock,
            new_id=self.new_id,
        )
        self.repairs = self.fresh()

    def fresh(self) -> Repairs:
        """As after a restart."""
        return Repairs(
            database=self.database,
            placements=self.placements,
            imports=FetchAgain(database=self.database, runs=self.runs, clock=self.clock, new_id=self.new_id),
            changes=self.changes,
            clock=self.clock,
        )

    async def look(self) -> list[str]:
        """The jobs that the node was given, after one more look."""
        await self.repairs.step()
        await settle()
        return list(self.nodes.journal)

    async def fail_last(self) -> None:
        self.nodes.say(list(self.nodes.journal)[-1], state=JobState.FAILED, failure=LOST)
        await settle()

    async def copy(self, node_id: str) -> Placement | None:
        return (await self.image("image-1")).placement_on(node_id)


@pytest.fixture
async def plane() -> AsyncGenerator[RepairPlane]:
    plane = RepairPlane()
    await plane.know(a_node("node-1"), a_node("node-2"))
    yield plane
    await plane.conductor.close()
    await plane.runs.close()


def broken(node_id: str) -> Placement:
    return replace(a_copy(node_id), state=PlacementState.DAMAGED)


def with_whole_twin() -> Image:
    return a_ready_image(evidence=an_evidence(), placements=(a_copy("node-1"), broken("node-2")))


def alone(**changes: Any) -> Image:
    facts: dict[str, Any] = {"evidence": an_evidence(), "placements": (broken("node-1"),)}
    return a_ready_image(**{**facts, **changes})


def offered() -> Image:
    """The only copy of an image of the catalogue."""
    return alone(catalog_id="debian-12", name="debian-12", os=OsInfo(architecture="x86_64"))


async def test_a_damaged_copy_comes_from_a_node_that_has_the_image(plane: RepairPlane) -> None:
    await plane.know(with_whole_twin())
    [job_id] = await plane.look()
    order = plane.nodes.journal[job_id].order
    assert (order.library_digest, (await plane.stored_job(job_id)).node_id) == (DIGEST, "node-2")
    plane.nodes.say(job_id, state=JobState.READY, published=COPIED)
    await settle()
    copy = await plane.copy("node-2")
    assert copy is not None
    assert copy.state is PlacementState.READY
    await plane.clock.advance(TIMES[-1])
    assert await plane.look() == [job_id]


async def test_the_only_copy_of_a_catalogue_image_comes_from_its_publisher(plane: RepairPlane) -> None:
    await plane.know(offered())
    [job_id] = await plane.look()
    job, order = await plane.stored_job(job_id), plane.nodes.journal[job_id].order
    assert (job.kind, order.library_digest, bool(order.url)) == (JobKind.DOWNLOAD, "", True)


async def test_five_tries_with_longer_and_longer_pauses(plane: RepairPlane) -> None:
    await plane.know(with_whole_twin())
    assert len(await plane.look()) == 1
    began = plane.clock.monotonic()
    for tried, at in enumerate(TIMES, start=1):
        await plane.fail_last()
        await plane.clock.advance(began + at - plane.clock.monotonic() - 1)
        assert len(await plane.look()) == tried
        copy = await plane.copy("node-2")
        assert copy is not None
        assert copy.state is PlacementState.DAMAGED
        await plane.clock.advance(1)
        assert len(await plane.look()) == tried + 1
    await plane.fail_last()
    await plane.clock.advance(30 * 24 * 3600)
    assert len(await plane.look()) == MOST_TRIES
    copy = await plane.copy("node-2")
    assert copy is not None
    assert copy.state is PlacementState.DAMAGED
    # A new process has all its tries again.
    plane.repairs = plane.fresh()
    assert len(await plane.look()) == MOST_TRIES + 1


async def test_the_only_copy_is_damaged_again_when_its_download_failed(plane: RepairPlane) -> None:
    await plane.know(offered())
    await plane.look()
    await plane.fail_last()
    assert (await plane.image("image-1")).phase is ImagePhase.ERROR
    await plane.look()
    copy = await plane.copy("node-1")
    assert copy is not None
    assert copy.state is PlacementState.DAMAGED


async def test_where_the_publisher_moved_on_the_version_stays_damaged(
    plane: RepairPlane,
) -> None:
    await plane.know(offered())
    [job_id] = await plane.look()
    newer = an_evidence(expected=NEWER, actual=NEWER)
    published = a_published_image(digest=f"sha256:{NEWER}", evidence=newer)
    plane.nodes.say(job_id, state=JobState.READY, published=published)
    await settle()
    assert (await plane.stored_job(job_id)).image_id != "image-1"
    for pause in (0, *TIMES):
        await plane.clock.advance(pause)
        # VMs that stand on it are warned as long as its copy is known to be damaged.
        assert await plane.look() == [job_id]
        copy = await plane.copy("node-1")
        assert copy is not None
        assert copy.state is PlacementState.DAMAGED


async def test_what_somebody_cancelled_is_left_alone(plane: RepairPlane) -> None:
    await plane.know(with_whole_twin())
    [job_id] = await plane.look()
    await plane.downloads.cancel(job_id)
    await settle()
    await plane.look()
    await plane.clock.advance(TIMES[-1])
    assert await plane.look() == [job_id]


async def test_a_node_that_is_away_is_waited_for_without_counting(plane: RepairPlane) -> None:
    await plane.know(with_whole_twin(), a_node("node-2", phase=NodePhase.OFFLINE))
    for _ in range(2 * MOST_TRIES):
        assert await plane.look() == []
        await plane.clock.advance(TIMES[-1])
    await plane.know(a_node("node-2"))
    assert len(await plane.look()) == 1


async def test_an_image_that_nobody_can_bring_stays_damaged(plane: RepairPlane) -> None:
    await plane.know(alone(name="golden"))
    assert await plane.look() == []
    copy = await plane.copy("node-1")
    assert copy is not None
    assert copy.state is PlacementState.DAMAGED
    # As soon as another node has it, the next try brings it.
    await plane.know((await plane.image("image-1")).with_placement(a_copy("node-2")))
    assert await plane.look() == []
    await plane.clock.advance(FIRST_PAUSE_SECONDS)
    assert len(await plane.look()) == 1


async def test_what_a_node_reports_is_begun_at_once(plane: RepairPlane) -> None:
    async with plane.beside(plane.repairs.run()):
        await plane.know(with_whole_twin())
        plane.changes.notify(DAMAGED)
        async with asyncio.timeout(10):
            while not plane.nodes.journal:
                await settle()


async def imported(plane: RepairPlane, digest_that_came: str = DIGEST, **changes: Any) -> Image:
    """The only copy of an import that nothing vouched for, damaged since."""
    _, image = await plane.imports.start(
        ImportWish(url="https://example.org/golden.qcow2", image=Description())
    )
    await settle()
    came = digest_that_came.removeprefix("sha256:")
    proof = an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=came)
    published = a_published_image(evidence=proof, **changes)
    plane.nodes.say(list(plane.nodes.journal)[-1], state=JobState.READY, published=published)
    await settle()
    image = await plane.image(image.id)
    assert (image.phase, image.digest) == (ImagePhase.READY, DIGEST)
    await plane.know(image.with_placement(broken(image.placements[0].node_id)))
    return await plane.image(image.id)


async def test_the_only_copy_of_an_import_comes_from_where_it_came(plane: RepairPlane) -> None:
    image = await imported(plane)
    first, again = await plane.look()
    job, order = await plane.stored_job(again), plane.nodes.journal[again].order
    assert (job.kind, job.image_id, order.url) == (
        JobKind.IMPORT,
        image.id,
        plane.nodes.journal[first].order.url,
    )
    # Exactly the bytes that were here, and no more trust than they had.
    assert (order.checksum_algorithm, order.digest, order.unverified) == ("sha256", DIGEST[7:], True)
    proof = an_evidence(level=TrustLevel.PINNED, algorithm="sha256", expected=DIGEST[7:], actual=DIGEST[7:])
    plane.nodes.say(again, state=JobState.READY, published=a_published_image(evidence=proof))
    await settle()
    whole = await plane.image(image.id)
    assert (whole.phase, whole.evidence) == (ImagePhase.READY, image.evidence)
    assert [copy.state for copy in whole.placements] == [PlacementState.READY]


SOURCE = ConvertedFrom(format="vmdk", digest=f"sha256:{'c' * 64}", size_bytes=7, shape="qcow2")


async def made_again(plane: RepairPlane, digest: str) -> Image:
    """A damaged image that was made of an imported file, after that came and was made into this."""
    image = await imported(plane, digest_that_came=SOURCE.digest, converted_from=SOURCE)
    _, again = await plane.look()
    order = plane.nodes.journal[again].order
    assert (order.digest, order.wanted) == (SOURCE.digest[7:], Shape(format=ImageFormat.QCOW2))
    proof = an_evidence(
        level=TrustLevel.PINNED, algorithm="sha256", expected=order.digest, actual=order.digest
    )
    published = a_published_image(digest=digest, evidence=proof, converted_from=SOURCE)
    plane.nodes.say(again, state=JobState.READY, published=published)
    await settle()
    return image


async def test_what_was_made_of_an_imported_file_is_made_again(plane: RepairPlane) -> None:
    before = await made_again(plane, DIGEST)
    image = await plane.image(before.id)
    assert (image.phase, image.evidence, image.digest) == (ImagePhase.READY, before.evidence, DIGEST)
    assert [copy.state for copy in image.placements] == [PlacementState.READY]
    await plane.clock.advance(TIMES[-1])
    assert len(await plane.look()) == 2


async def test_where_it_comes_out_otherwise_it_is_the_next_version(plane: RepairPlane) -> None:
    before = await made_again(plane, f"sha256:{NEWER}")
    jobs = await plane.look()
    for pause in TIMES:
        await plane.clock.advance(pause)
        # Once is enough: it would come out so each time.
        assert await plane.look() == jobs
    old = await plane.image(before.id)
    assert (old.placements[0].state, old.current) == (PlacementState.DAMAGED, False)
    new = await plane.image((await plane.stored_job(jobs[-1])).image_id)
    assert (new.name, new.version, new.current) == (old.name, old.version + 1, True)
    assert (new.digest, new.phase, new.trust) == (f"sha256:{NEWER}", ImagePhase.READY, TrustLevel.UNVERIFIED)
