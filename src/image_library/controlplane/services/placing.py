"""Making an image present on many nodes: one copy comes from the publisher, the others from the library."""

from __future__ import annotations

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
from image_library.controlplane.services.image_usage import coming
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.node_choice import find_node, room_needed
from image_library.controlplane.services.node_room import NodeRoom
from image_library.controlplane.services.placement_conductor import Conductor
from image_library.controlplane.services.pools import node_of_pool
from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import ImageNotReady, InvalidRequest
from image_library.domain.image import Image, ImagePhase, Placement, PlacementState
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.placing import AT_A_TIME, Outcome, PlacementResult, first_copy_on, turn

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class PlacementWish:
    """``nodes`` are ids or host names, ``pools`` are ids."""

    image: str
    nodes: Sequence[str] = ()
    pools: Sequence[str] = ()
    all_nodes: bool = False
    # How many nodes fetch at the same time.
    at_a_time: int = AT_A_TIME


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is placed: an image, an entry of the catalogue that nobody has yet, or an image of an entry."""

    image: Image | None
    entry: CatalogEntry | None

    @property
    def architecture(self) -> str:
        return self.image.os.architecture if self.image else ""

    def needed_on(self, node: Node) -> int:
        """Bytes that should be free there."""
        if self.image and self.image.size_bytes:
            return self.image.size_bytes
        return room_needed(node, self.entry, self.architecture) if self.entry else 0


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where the copies come from; ``begun`` is the job that was made for the first one."""

    image: Image
    begun: Job | None = None
    # What the others wait for.
    waits_for: str = ""


class Placements:
    def __init__(
        self,
        *,
        database: Database,
        images: ImageService,
        catalog: CatalogService,
        planner: Planner,
        runs: DownloadRuns,
        conductor: Conductor,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._images = images
        self._catalog = catalog
        self._planner = planner
        self._runs = runs
        self._conductor = conductor
        self._clock = clock
        self._new_id = new_id

    async def place(self, wish: PlacementWish) -> tuple[PlacementResult, ...]:
        """What becomes of each node: it has the image, a job brings it, or it cannot take it.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode, UnknownPool: a name means nothing.
            InvalidRequest: no node is named.
            ImageNotReady: nobody has the image, and nobody can fetch it.
        """
        group = self._new_id()
        async with self._database.write() as records:
            subject = await self._subject(records, wish.image)
            room = await NodeRoom.of(records)
            nodes = await _nodes(records, wish)
            settled = await _settled(records, subject, nodes, room)
            lacking = [node for node in nodes if node.id not in settled]
            # The first of them fetches what nobody has.
            lacking.sort(key=lambda node: (not node.is_ready, room.load(node)))
            source = await self._source(records, subject, lacking) if lacking else None
            if source is not None:
                settled |= await self._added(
                    records, source, subject.entry, nodes=lacking, facts=self._turn(group, wish)
                )
        if source is not None:
            if source.begun is not None:
                self._runs.start(source.begun)
            self._conductor.conduct(group)
        log.info("placement_begun", image=wish.image, nodes=len(nodes), group=group)
        return tuple(settled[node.id] for node in nodes)

    async def _subject(self, records: Records, name: str) -> _Subject:
        found = await self._images.resolve_in(records, name)
        if isinstance(found, CatalogEntry):
            return _Subject(image=None, entry=found)
        if found.phase is ImagePhase.DELETING:
            raise ImageNotReady(f"'{found.title}' is being deleted.", field="image")
        return _Subject(image=found, entry=self._catalog.find(found.catalog_id))

    async def _source(self, records: Records, subject: _Subject, nodes: Sequence[Node]) -> _Source:
        """The image that is copied, with the job that brings its first copy where nobody has one."""
        image, entry = subject.image, subject.entry
        if image and (await holders(records, image) or await coming(records, image.id)):
            return _Source(image=image)
        if entry is None or (image and not image.current):
            title = image.title if image else ""
            raise ImageNotReady(f"No node that answers has '{title}'.", field="image")
        wish = DownloadWish(
            catalog_id=entry.id,
            node=nodes[0].id,
            name=image.name if image else "",
            architecture=subject.architecture,
        )
        plan = await self._planner.plan(records, entry, wish)
        waits_for = first_copy_on(nodes[0].hostname)
        return _Source(image=plan.image, begun=plan.job if plan.fresh else None, waits_for=waits_for)

    async def _added(
        self,
        records: Records,
        source: _Source,
        entry: CatalogEntry | None,
        *,
        nodes: Sequence[Node],
        facts: dict[str, Any],
    ) -> dict[str, PlacementResult]:
        """A job for each of the nodes, by their ids."""
        image, jobs = source.image, dict[str, Job]()
        facts = facts | {"waiting_for": source.waits_for or facts["waiting_for"]}
        to_be_had = bool(await holders(records, image))
        for node in nodes:
            if source.begun is not None and source.begun.node_id == node.id:
                jobs[node.id] = source.begun
                continue
            if to_be_had or entry is None:
                job, order = self._planner.copy_of(image, node, **facts)
            else:
                job, order = await self._planner.offered(records, image, entry, node=node, **facts)
            await records.jobs.add(job, order)
            image = image.with_placement(Placement(node_id=node.id, pool_id=node.store_id))
            jobs[node.id] = job
        await records.images.save(image)
        by_id = {node.id: node for node in nodes}
        return {
            node_id: PlacementResult(node=by_id[node_id], outcome=Outcome.STARTED, job_id=job.id)
            for node_id, job in jobs.items()
        }

    def _turn(self, group: str, wish: PlacementWish) -> dict[str, Any]:
        return {
            "group": group,
            "at_a_time": wish.at_a_time,
            "waiting_for": turn(wish.at_a_time),
            "waiting_since": self._clock.now(),
        }


async def _settled(
    records: Records, subject: _Subject, nodes: Sequence[Node], room: NodeRoom
) -> dict[str, PlacementResult]:
    """Nodes that need no job, by their ids: they have the image, are being brought it, or cannot take it."""
    jobs = await coming(records, subject.image.id) if subject.image else ()
    on_its_way = {job.node_id: job.id for job in jobs}
    results: dict[str, PlacementResult] = {}
    for node in nodes:
        placed = subject.image.placement_on(node.id) if subject.image else None
        if placed and placed.state is PlacementState.READY:
            results[node.id] = PlacementResult(node=node, outcome=Outcome.PRESENT)
        elif node.id in on_its_way:
            job_id = on_its_way[node.id]
            results[node.id] = PlacementResult(node=node, outcome=Outcome.STARTED, job_id=job_id)
        elif node.degraded is not None:
            refusal = node.degraded.refusal(node.hostname)
            results[node.id] = PlacementResult(node=node, outcome=Outcome.REFUSED, error=refusal)
        elif not room.fits(node, needed := subject.needed_on(node)):
            full = room.full(f"{node.hostname} has not the space", [node], needed)
            results[node.id] = PlacementResult(node=node, outcome=Outcome.REFUSED, error=full)
    return results


async def _nodes(records: Records, wish: PlacementWish) -> tuple[Node, ...]:
    if wish.all_nodes:
        named = list(reversed(await records.nodes.all()))
    else:
        named = [await find_node(records, name) for name in wish.nodes]
        named += [await node_of_pool(records, pool) for pool in wish.pools]
    nodes = tuple({node.id: node for node in named}.values())
    if not nodes:
        raise InvalidRequest("No node is named.", remedy="Name nodes, or all of them.", field="node_ids")
    return nodes
