"""Bringing a new version to the other nodes that have the name: from node to node, not from the publisher."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_plan import Planner
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.downloads import Downloads
from image_library.domain.errors import LibraryError
from image_library.domain.image import Image, ImagePhase
from image_library.domain.job import Job
from image_library.domain.node import Node, NodePhase

log = structlog.get_logger()

AT_ONCE = 4


class Spreading:
    def __init__(
        self, *, database: Database, planner: Planner, downloads: Downloads, runs: DownloadRuns
    ) -> None:
        self._database = database
        self._planner = planner
        self._downloads = downloads
        self._runs = runs

    async def spread(self, name: str, project_id: str) -> None:
        """Let every ready node that has another version have the current one, a few at a time.

        Returns when the copies' jobs have ended, well or not. Asking again makes no second job.
        """
        async with self._database.read() as records:
            nodes = await lacking(records, await _current(records, name, project_id))
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._copy(name, project_id, node=node, turns=turns) for node in nodes))

    async def _copy(self, name: str, project_id: str, *, node: Node, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                job = await self._begun(name, project_id, node)
                if job is not None:
                    await self._downloads.ended(job.id)
            except LibraryError as error:
                log.warning("version_not_spread", name=name, node_id=node.id, code=error.code)

    async def _begun(self, name: str, project_id: str, node: Node) -> Job | None:
        """The job that brings it there; None where it came to be there, or to be unwanted, meanwhile."""
        async with self._database.write() as records:
            image = await _current(records, name, project_id)
            if image is None or node.id not in {n.id for n in await lacking(records, image)}:
                return None
            for job in await records.jobs.of_image(image.id):
                if job.kind.brings and job.node_id == node.id and not job.state.ended:
                    return job
            plan = await self._planner.copy(records, image, node)
        self._runs.start(plan.job)
        return plan.job


async def lacking(records: Records, image: Image | None) -> Sequence[Node]:
    """The ready nodes that have another version of the name, and not this one."""
    if image is None:
        return ()
    there = {copy.node_id for copy in image.ready_placements}
    return [node for node in await having(records, image) if node.id not in there and node.takes_images]


async def having(records: Records, image: Image) -> Sequence[Node]:
    """The ready nodes that have some version of the image's name."""
    versions = await records.images.versions(image.name, image.project_id)
    ids = {copy.node_id for version in versions for copy in version.ready_placements}
    nodes = [await records.nodes.get(node_id) for node_id in sorted(ids)]
    return [node for node in nodes if node and node.phase is NodePhase.READY]


async def _current(records: Records, name: str, project_id: str) -> Image | None:
    """What the name points to, if there is a copy to copy from."""
    image = next(iter(await records.images.named(name, project_id)), None)
    whole = image is not None and image.phase is ImagePhase.READY and image.ready_placements
    return image if whole else None
