"""Which node gets what nobody named a node for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.node_choice import LEAST_ROOM, choose_node, roomiest_node
from image_library.domain.errors import LibraryError, NoNodeReady, StorageFull
from image_library.domain.image import Image, Placement, PlacementState
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.progress import Progress
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_catalog, a_job, a_node, a_variant, an_entry, an_image

MIB = 1 << 20
SIZE = 300 * MIB
ENTRY = an_entry(variants=(a_variant("x86_64", size_bytes=SIZE), a_variant("aarch64", size_bytes=SIZE)))
NODES = ("node-1", "node-2", "node-3", "node-4")
ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class World:
    nodes: tuple[Node, ...]
    images: tuple[Image, ...]
    jobs: tuple[Job, ...]
    # What the wish says; empty: the node's own.
    architecture: str

    def needed(self, node: Node) -> str:
        return self.architecture or node.architecture

    def free(self, node: Node) -> int:
        """As the promise is worded: bytes of the disk that nothing has and no live job will have."""
        coming = 0
        for job in self.jobs:
            if job.node_id == node.id and not job.state.ended and job.kind is not JobKind.ADOPT:
                coming += max(0, (job.progress.total or job.space_bytes) - job.progress.done)
        return max(0, node.disk_total_bytes - node.disk_used_bytes - coming)

    def busy(self, node: Node) -> int:
        return sum(job.node_id == node.id and not job.state.ended for job in self.jobs)

    def has(self, node: Node) -> bool:
        """Whether it has the wished image whole, or is being brought it."""
        wished = [i for i in self.images if i.os.architecture == self.needed(node)]
        ids = {image.id for image in wished}
        whole = any(copy.node_id == node.id for image in wished for copy in image.ready_placements)
        return whole or any(
            job.node_id == node.id and job.image_id in ids and not job.state.ended for job in self.jobs
        )

    def candidates(self) -> list[Node]:
        ready = [node for node in self.nodes if node.phase is NodePhase.READY]
        return [node for node in ready if self.architecture in ("", node.architecture)] or ready

    def takes(self, node: Node) -> bool:
        return self.has(node) or node.disk_total_bytes == 0 or self.free(node) >= SIZE


def nodes() -> st.SearchStrategy[tuple[Node, ...]]:
    def made(node_id: str, phase: NodePhase, architecture: str, total: int, used: int) -> Node:
        disk: dict[str, Any] = {"disk_total_bytes": total * MIB, "disk_used_bytes": used * MIB}
        return a_node(node_id, phase=phase, architecture=architecture, **disk)

    def node(node_id: str) -> st.SearchStrategy[Node]:
        return st.builds(
            made,
            st.just(node_id),
            st.sampled_from([NodePhase.READY, NodePhase.READY, NodePhase.OFFLINE]),
            st.sampled_from(ARCHITECTURES),
            st.sampled_from([0, 100, 500, 1000, 5000]),
            st.integers(0, 1000),
        )

    return st.tuples(*(node(node_id) for node_id in NODES))


def images() -> st.SearchStrategy[tuple[Image, ...]]:
    copies = st.dictionaries(st.sampled_from(NODES), st.sampled_from(PlacementState), max_size=3)

    def image(architecture: str, where: dict[str, PlacementState]) -> Image:
        placed = tuple(Placement(node_id=node_id, state=state) for node_id, state in where.items())
        os = OsInfo(architecture=architecture)
        return an_image(architecture, catalog_id="debian-12", os=os, placements=placed)

    return st.tuples(*(st.builds(image, st.just(a), copies) for a in ARCHITECTURES))


def jobs() -> st.SearchStrategy[tuple[Job, ...]]:
    def made(
        image: str, node: str, state: JobState, *, kind: JobKind, space: int, size: tuple[int, int]
    ) -> Job:
        done, total = size
        progress = Progress(done=min(done, total) * MIB, total=total * MIB)
        facts: dict[str, Any] = {
            "image_id": image,
            "node_id": node,
            "state": state,
            "kind": kind,
            "progress": progress,
        }
        return a_job(space_bytes=space * MIB, **facts)

    job = st.builds(
        made,
        st.sampled_from([*ARCHITECTURES, "something-else"]),
        st.sampled_from(NODES),
        st.sampled_from([JobState.QUEUED, JobState.FETCHING, JobState.READY, JobState.FAILED]),
        kind=st.sampled_from([JobKind.DOWNLOAD, JobKind.PLACE, JobKind.UPLOAD, JobKind.ADOPT]),
        space=st.integers(0, 1000),
        size=st.tuples(st.integers(0, 1000), st.sampled_from([0, 0, 200, 700])),
    )
    return st.lists(job, max_size=6).map(
        lambda made: tuple(replace(j, id=f"job-{number}") for number, j in enumerate(made))
    )


WORLDS = st.builds(World, nodes(), images(), jobs(), st.sampled_from(["", *ARCHITECTURES]))


async def chosen_in(world: World) -> Node | LibraryError:
    plane = Plane(a_catalog(ENTRY))
    await plane.know(*world.nodes, *world.images, *world.jobs)
    async with plane.database.read() as records:
        try:
            return await choose_node(records, ENTRY, world.architecture)
        except LibraryError as error:
            return error


def better(world: World, one: Node, other: Node) -> bool:
    def rank(node: Node) -> tuple[bool, int, int]:
        return not world.has(node), world.busy(node), -world.free(node)

    return rank(one) < rank(other)


@settings(max_examples=300, deadline=None)
@given(WORLDS)
def test_nobody_would_have_been_better(world: World) -> None:
    chosen = asyncio.run(chosen_in(world))
    candidates = world.candidates()
    takers = [node for node in candidates if world.takes(node)]
    if isinstance(chosen, Node):
        assert chosen in takers
        assert not any(better(world, other, chosen) for other in takers)
    elif candidates:
        assert isinstance(chosen, StorageFull)
        assert takers == []
    else:
        assert isinstance(chosen, NoNodeReady)


def a_nearly_full_node(node_id: str = "node-1", free: int = SIZE + 100 * MIB) -> Node:
    return a_node(node_id, disk_total_bytes=free)


def two_entries() -> Plane:
    variants = (a_variant(size_bytes=SIZE),)
    return Plane(a_catalog(an_entry(variants=variants), an_entry("fedora-44", variants=variants)))


async def outcomes(plane: Plane, ids: Sequence[str]) -> list[str]:
    """The node of each wish, or its error's code; all of them at the same time."""
    wishes = [plane.downloads.start(DownloadWish(catalog_id=wished)) for wished in ids]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    said: list[str] = []
    for outcome in found:
        if isinstance(outcome, LibraryError):
            said.append(outcome.code)
        else:
            assert not isinstance(outcome, BaseException)
            said.append(outcome[0].node_id)
    return sorted(said)


async def test_of_two_that_want_the_last_space_one_gets_it() -> None:
    plane = two_entries()
    await plane.know(a_nearly_full_node())
    assert await outcomes(plane, ["debian-12", "fedora-44"]) == ["node-1", "storage.full"]
    await plane.runs.close()


async def test_of_two_that_want_the_last_space_the_other_goes_elsewhere() -> None:
    plane = two_entries()
    await plane.know(a_nearly_full_node("node-1"), a_nearly_full_node("node-2"))
    assert await outcomes(plane, ["debian-12", "fedora-44"]) == ["node-1", "node-2"]
    await plane.runs.close()


async def test_two_that_want_the_same_share_a_job_and_its_space() -> None:
    plane = two_entries()
    await plane.know(a_nearly_full_node())
    assert await outcomes(plane, ["debian-12", "debian-12"]) == ["node-1", "node-1"]
    async with plane.database.read() as records:
        assert len(await records.jobs.live()) == 1
    await plane.runs.close()


async def test_a_refusal_names_what_is_promised() -> None:
    plane = two_entries()
    promised = a_job(image_id="other", space_bytes=SIZE)
    await plane.know(a_nearly_full_node(), promised)
    with pytest.raises(StorageFull, match=r"300 MiB are needed.* 100 MiB are free, 300 MiB being promised"):
        await plane.downloads.start(DownloadWish(catalog_id="debian-12"))


async def test_an_ended_job_gives_its_promise_back() -> None:
    plane = two_entries()
    await plane.know(
        a_nearly_full_node(), a_job(image_id="other", space_bytes=SIZE, state=JobState.CANCELLED)
    )
    assert await outcomes(plane, ["debian-12"]) == ["node-1"]
    await plane.runs.close()


async def test_a_promise_is_kept_by_the_size_that_the_source_announces() -> None:
    plane = two_entries()
    small = a_job(image_id="other", space_bytes=SIZE, progress=Progress(done=0, total=MIB))
    await plane.know(a_nearly_full_node(), small)
    assert await outcomes(plane, ["debian-12"]) == ["node-1"]
    await plane.runs.close()


async def test_an_upload_does_not_take_what_a_download_was_promised() -> None:
    plane = two_entries()
    await plane.know(a_nearly_full_node("node-1", LEAST_ROOM), a_job(space_bytes=LEAST_ROOM))
    async with plane.database.read() as records:
        with pytest.raises(StorageFull):
            await roomiest_node(records, 1)


async def test_a_copy_that_a_node_no_longer_reports_is_no_reason_to_choose_it() -> None:
    plane = two_entries()
    gone = Placement(node_id="node-1", state=PlacementState.UNAVAILABLE)
    os = OsInfo(architecture="x86_64")
    await plane.know(
        a_node("node-1", disk_total_bytes=MIB),
        a_node("node-2"),
        an_image("debian-12", catalog_id="debian-12", os=os, placements=(gone,)),
    )
    assert await outcomes(plane, ["debian-12"]) == ["node-2"]
    await plane.runs.close()
