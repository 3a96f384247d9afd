"""Refreshing over in-memory records, fake nodes and fake publishers."""

from __future__ import annotations

from typing import Any

from image_library.controlplane.services.download_plan import Planner
from image_library.controlplane.services.publisher_desk import PublisherDesk
from image_library.controlplane.services.refresh_moves import RefreshMoves
from image_library.controlplane.services.refresh_spread import Spreading
from image_library.controlplane.services.refresh_targets import RefreshTargets
from image_library.controlplane.services.refresh_versions import Pruning
from image_library.controlplane.services.refreshes import Refreshes
from image_library.domain.catalog import Catalog
from tests.fakes.control_publishers import FakePublishers
from tests.fakes.control_vms import VmPlane


class RefreshPlane(VmPlane):
    def __init__(self, catalog: Catalog | None = None, **more: Any) -> None:
        super().__init__(catalog, **more)
        self.publishers = FakePublishers()
        planner = Planner(clock=self.clock, new_id=self.new_id)
        self.refreshes = Refreshes(
            database=self.database,
            targets=RefreshTargets(images=self.images, catalog=self.catalog),
            desk=PublisherDesk(self.publishers),
            moves=RefreshMoves(planner=planner, clock=self.clock, new_id=self.new_id),
            spreading=Spreading(
                database=self.database, planner=planner, downloads=self.downloads, runs=self.runs
            ),
            pruning=Pruning(database=self.database, deletions=self.deletions),
            downloads=self.downloads,
            runs=self.runs,
            clock=self.clock,
        )

    async def close(self) -> None:
        await self.refreshes.close()
        await super().close()
