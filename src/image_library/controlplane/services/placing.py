"""Making an image present on many nodes: one copy comes from the publisher, the others from the library."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.download_plan import DownloadWish, Planner
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.image_copies import holders
from image_library.controlplane.services.image_usage import live_jobs
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import find_node
from image_library.controlplane.services.pools import node_of_pool
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import ImageNotReady, InvalidRequest, LibraryError, StorageFull
from image_library.domain.image import Image, PlacementState
from image_library.domain.job import Job, JobKind
from image_library.domain.node import Node
from image_library.domain.placing import AT_A_TIME, Outcome, PlacementResult, awaits_turn, turn

log = structlog.get_logger()
LOOK_AGAIN_SECONDS = 5.0
_MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class PlacementWish:
    """``nodes`` are ids or host names, ``pools`` are ids."""

    image: str
    nodes: Sequence[str] = ()
    pools: Sequence[str] = ()
    all_nodes: bool = False
    # How many nodes fetch at the same time.
    at_a_time: int = AT_A_TIME


class Placements:
    def __init__(
        self,
        *,
        database: Database,
        images: ImageService,
        catalog: CatalogService,
        planner: Planner,
        runs: DownloadRuns,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._images = images
        self._catalog = catalog
        self._planner = planner
        self._runs = runs
        self._clock = clock
        self._new_id = new_id
        self._conductors: dict[str, asyncio.Task[None]] = {}

    async def place(self, wish: PlacementWish) -> tuple[PlacementResult, ...]:
        """What becomes of each node: it has the image, a job brings it, or it cannot take it.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode, UnknownPool: a name means nothing.
            InvalidRequest: no node is named.
            ImageNotReady: nobody has the image, and nobody can fetch it.
        """
        group = self._new_id()
        async with self._database.write() as records:
            nodes = await _nodes(records, wish)
            image = await self._images.resolve_in(records, wish.image)
            first = await self._first_copy(records, image, nodes)
            image = first.image
            made = [await self._place_one(records, image, node, group, wish.at_a_time) for node in nodes]
        if first.begun is not None:
            self._runs.start(first.begun)
        self._conduct(group)
        log.info("placement_begun", image_id=image.id, nodes=len(nodes), group=group)
        return tuple(made)

    async def _first_copy(
        self, records: Records, found: Image | CatalogEntry, nodes: Sequence[Node]
    ) -> _FirstCopy:
        """The image that is to be placed, with the job that brings its first copy where nobody has one."""
        if isinstance(found, Image):
            if await holders(records, found) or await live_jobs(records, found.id):
                return _FirstCopy(image=found)
            if self._catalog.find(found.catalog_id) is None:
                raise ImageNotReady(f"No node that answers has '{found.title}'.", field="image")
        entry = self._catalog.entry(found.catalog_id if isinstance(found, Image) else found.id)
        name = found.name if isinstance(found, Image) else ""
        architecture = found.os.architecture if isinstance(found, Image) else ""
        wish = DownloadWish(catalog_id=entry.id, node=nodes[0].id, name=name, architecture=architecture)
        plan = await self._planner.plan(records, entry, wish)
        return _FirstCopy(image=plan.image, begun=plan.job if plan.fresh else None)

    async def _place_one(
        self, records: Records, image: Image, node: Node, group: str, at_a_time: int
    ) -> PlacementResult:
        placed = image.placement_on(node.id)
        if placed and placed.state is PlacementState.READY:
            return PlacementResult(node=node, outcome=Outcome.PRESENT)
        for job in await live_jobs(records, image.id):
            if job.node_id == node.id:
                return PlacementResult(node=node, outcome=Outcome.STARTED, job_id=job.id)
        if node.disk_total_bytes and node.free_bytes < image.size_bytes:
            needed, free = image.size_bytes // _MIB, node.free_bytes // _MIB
            full = StorageFull(f"{node.hostname} has {free} MiB free, and {needed} MiB are needed.")
            return PlacementResult(node=node, outcome=Outcome.REFUSED, error=full)
        # Saved one by one: each adds its own copy to what the last one saved.
        latest = await records.images.get(image.id) or image
        plan = await self._planner.copy(records, latest, node, **self._turn(group, at_a_time))
        return PlacementResult(node=node, outcome=Outcome.STARTED, job_id=plan.job.id)

    def _turn(self, group: str, at_a_time: int) -> dict[str, Any]:
        return {
            "group": group,
            "at_a_time": at_a_time,
            "waiting_for": turn(at_a_time),
            "waiting_since": self._clock.now(),
        }

    async def resume(self) -> None:
        """Go on with every placement that was under way when the control plane ended."""
        async with self._database.read() as records:
            groups = {job.group for job in await records.jobs.live() if awaits_turn(job)}
        for group in groups:
            self._conduct(group)

    async def close(self) -> None:
        tasks = list(self._conductors.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _conduct(self, group: str) -> None:
        task = asyncio.create_task(self._conducted(group), name=f"placement-{group}")
        self._conductors[group] = task
        task.add_done_callback(lambda _: self._conductors.pop(group, None))

    async def _conducted(self, group: str) -> None:
        """Start the group's jobs, so many at a time, when there is a copy to be had."""
        with self._database.follow() as changed:
            while True:
                try:
                    if not await self._started_some(group):
                        return
                except LibraryError as error:
                    log.warning("placement_waits", group=group, code=error.code)
                await bell_or_time(changed, self._clock, LOOK_AGAIN_SECONDS)

    async def _started_some(self, group: str) -> bool:
        """Start those whose turn it is; whether any is still waiting for its own."""
        async with self._database.read() as records:
            jobs = [job for job in await records.jobs.live() if job.group == group]
            waiting = [job for job in jobs if awaits_turn(job) and not self._runs.follows(job.id)]
            if not waiting:
                return False
            image = await records.images.get(waiting[0].image_id)
            there = image is not None and bool(await holders(records, image))
            coming = image is not None and bool(_first_copies(await live_jobs(records, image.id)))
        if not there:
            if not coming:
                await self._give_up(waiting)
            return coming
        room = waiting[0].at_a_time - (len(jobs) - len(waiting))
        for job in waiting[: max(0, room)]:
            self._runs.start(job)
        return True

    async def _give_up(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            reason = ImageNotReady(f"The first copy of '{job.image_name}' did not come.")
            await self._runs.cancel(job, reason)


@dataclass(frozen=True, kw_only=True)
class _FirstCopy:
    image: Image
    # The job that was made for it and must be started.
    begun: Job | None = None


def _first_copies(jobs: Sequence[Job]) -> list[Job]:
    """Live jobs that bring the first copy: those that do not themselves wait for one."""
    return [job for job in jobs if job.kind is not JobKind.PLACE]


async def _nodes(records: Records, wish: PlacementWish) -> tuple[Node, ...]:
    if wish.all_nodes:
        named = list(reversed(await records.nodes.all()))
    else:
        named = [await find_node(records, name) for name in wish.nodes]
        named += [await node_of_pool(records, pool) for pool in wish.pools]
    nodes = tuple({node.id: node for node in named}.values())
    if not nodes:
        raise InvalidRequest("No node is named.", remedy="Name nodes, or all of them.", field="node_ids")
    # Those that answer first: the first of all fetches from the publisher.
    return tuple(sorted(nodes, key=lambda node: not node.is_ready))
