"""Images that people bring: imported from a URL, or registered to be uploaded."""

from __future__ import annotations

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.import_plan import ImportPlanner
from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.domain.catalog import Catalog
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.origin import shown_url
from image_library.domain.proof_policy import NO_RULE, ProofPolicy

log = structlog.get_logger()


class Imports:
    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        runs: DownloadRuns,
        clock: Clock,
        new_id: NewId,
        proofs: ProofPolicy = NO_RULE,
    ) -> None:
        self._database = database
        self._planner = ImportPlanner(catalog=catalog, clock=clock, new_id=new_id, proofs=proofs)
        self._runs = runs

    async def start(self, wish: ImportWish) -> tuple[Job, Image]:
        """The job that brings the bytes to a node, and the image that they are to become.

        Raises:
            As ``ImportPlanner.plan``.
        """
        async with self._database.write() as records:
            plan = await self._planner.plan(records, wish)
        if plan.fresh:
            log.info("import_planned", job_id=plan.job.id, url=shown_url(wish.url), node_id=plan.job.node_id)
            self._runs.start(plan.job)
        return self._runs.latest(plan.job), plan.image

    async def register(self, said: Description, *, key: str = "") -> Image:
        """An image that waits for an upload.

        Raises:
            As ``ImportPlanner.register``.
        """
        async with self._database.write() as records:
            image = await self._planner.register(records, said, key=key)
        log.info("image_registered", image_id=image.id, name=image.name)
        return image
