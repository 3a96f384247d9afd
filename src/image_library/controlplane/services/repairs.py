"""Fetching damaged copies again: from another node that has the image, else from where it came."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.copies import Place
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.fetch_again import FetchAgain
from image_library.controlplane.services.inventory import DAMAGED
from image_library.controlplane.services.placing import Placements, PlacementWish
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changes
from image_library.domain.errors import ImageNotReady, LibraryError
from image_library.domain.image import Placement, PlacementState
from image_library.domain.job import JobState

log = structlog.get_logger()

LOOK_SECONDS = 30.0
# A copy is fetched anew so often; before each further try the pause is longer.
MOST_TRIES = 5
FIRST_PAUSE_SECONDS = 60.0
_LONGER = 4


@dataclass(frozen=True)
class _Tries:
    count: int = 0
    job_id: str = ""
    # By the monotonic clock.
    next_at: float = 0.0


class Repairs:
    """Counts tries since this process began: after a restart each damaged copy has all of them again."""

    def __init__(
        self,
        *,
        database: Database,
        placements: Placements,
        imports: FetchAgain,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._placements = placements
        self._imports = imports
        self._changes = changes
        self._clock = clock
        self._tries: dict[Place, _Tries] = {}

    async def run(self) -> None:
        """Never ends by itself."""
        with self._changes.follow(DAMAGED) as found:
            while True:
                try:
                    await self.step()
                except LibraryError as error:
                    log.warning("repairs_wait", code=error.code)
                await bell_or_time(found, self._clock, LOOK_SECONDS)

    async def step(self) -> None:
        """Begin what is due."""
        async with self._database.write() as records:
            damaged = await records.copies.in_state(PlacementState.DAMAGED)
            damaged |= await self._failed_again(records, damaged)
            nodes = [await records.nodes.get(place.node_id) for place in damaged]
            awake = {node.id for node in nodes if node is not None and node.takes_images}
        for place in sorted(damaged, key=lambda p: (p.image_id, p.node_id)):
            if place.node_id in awake:
                await self._repair(place)

    async def _failed_again(self, records: Records, damaged: frozenset[Place]) -> frozenset[Place]:
        """What was being fetched and did not come, or came as another version: it is as damaged as before."""
        failed: set[Place] = set()
        for place in set(self._tries) - damaged:
            image = await records.images.get(place.image_id)
            copy = image.placement_on(place.node_id) if image else None
            if image is None or (copy and copy.state is PlacementState.READY):
                del self._tries[place]
                continue
            job = await records.jobs.get(self._tries[place].job_id)
            if job is None or not job.state.ended:
                continue
            if job.state is JobState.CANCELLED:
                # Somebody did not want it.
                del self._tries[place]
                continue
            lost = Placement(node_id=place.node_id, pool_id=job.pool_id, state=PlacementState.DAMAGED)
            await records.images.save(image.with_placement(lost).evolve(updated_at=self._clock.now()))
            failed.add(place)
        return frozenset(failed)

    async def _repair(self, place: Place) -> None:
        tries = self._tries.get(place, _Tries())
        now = self._clock.monotonic()
        if tries.count >= MOST_TRIES or now < tries.next_at:
            return
        pause = FIRST_PAUSE_SECONDS * _LONGER**tries.count
        tries = self._tries[place] = _Tries(count=tries.count + 1, next_at=now + pause)
        try:
            job_id = await self._begun(place)
        except LibraryError as error:
            log.warning("copy_not_repaired", image_id=place.image_id, node_id=place.node_id, code=error.code)
            return
        self._tries[place] = replace(tries, job_id=job_id)
        log.info("copy_repair", image_id=place.image_id, node_id=place.node_id, job=job_id)

    async def _begun(self, place: Place) -> str:
        """The id of the job that brings the copy again."""
        try:
            [result] = await self._placements.place(
                PlacementWish(image=place.image_id, nodes=(place.node_id,))
            )
        except ImageNotReady:
            # No node has it, and no publisher of the catalogue.
            job = await self._imports.begin(place)
            if job is None:
                raise
            return job.id
        if result.error is not None:
            raise result.error
        return result.job_id
