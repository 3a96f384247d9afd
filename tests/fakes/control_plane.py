"""The control plane's services over in-memory records, fake nodes and a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.adoptions import Adoptions
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.download_log import DownloadLog
from image_library.controlplane.services.download_plan import Planner
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.downloads import Downloads
from image_library.controlplane.services.garbage import Garbage
from image_library.controlplane.services.history import History
from image_library.controlplane.services.image_edits import ImageEdits
from image_library.controlplane.services.image_usage import ImageUsages
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.imports import Imports
from image_library.controlplane.services.inventory import InventoryService
from image_library.controlplane.services.job_retry import RetryPlanner
from image_library.controlplane.services.library_watch import LibraryWatch
from image_library.controlplane.services.nodes import NodeService
from image_library.domain.catalog import Catalog
from image_library.domain.changes import Changes
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.vm import Vm, VmReport
from tests.fakes.control_clock import ManualClock, settle
from tests.fakes.control_nodes import FakeNodes
from tests.fakes.control_values import a_catalog, an_order


@dataclass
class Reports:
    """Fulfils ``VmReportSink`` and remembers."""

    heard: list[tuple[str, tuple[VmReport, ...], bool]] = field(
        default_factory=list[tuple[str, tuple[VmReport, ...], bool]]
    )

    async def record(self, node_id: str, reports: tuple[VmReport, ...], *, complete: bool) -> None:
        self.heard.append((node_id, reports, complete))


class Plane:
    """Everything wired; ``before`` is the process before this one, in the same world."""

    def __init__(
        self,
        catalog: Catalog | None = None,
        *,
        database: Database | None = None,
        nodes: FakeNodes | None = None,
        prefix: str = "id",
        before: Plane | None = None,
    ) -> None:
        self.database: Database = before.database if before else database or MemoryDatabase()
        self.clock = before.clock if before else ManualClock()
        self.nodes = before.nodes if before else nodes or FakeNodes()
        self.changes = Changes()
        self.reports = Reports()
        numbers = count(1)
        self.new_id: Callable[[], str] = before.new_id if before else lambda: f"{prefix}-{next(numbers)}"
        self.catalog = CatalogService(
            catalog=catalog or a_catalog(), database=self.database, clock=self.clock
        )
        self.written = DownloadLog(database=self.database, clock=self.clock, new_id=self.new_id)
        self.runs = DownloadRuns(
            records=self.written, gateway=self.nodes, changes=self.changes, clock=self.clock
        )
        self.planner = Planner(clock=self.clock, new_id=self.new_id)
        self.downloads = Downloads(
            database=self.database,
            catalog=self.catalog,
            planner=self.planner,
            retries=RetryPlanner(clock=self.clock, new_id=self.new_id),
            runs=self.runs,
            changes=self.changes,
        )
        self.watch = LibraryWatch(database=self.database, runs=self.runs, clock=self.clock)
        self.images = ImageService(database=self.database, catalog=self.catalog)
        self.imports = Imports(
            database=self.database,
            catalog=catalog or a_catalog(),
            runs=self.runs,
            clock=self.clock,
            new_id=self.new_id,
        )
        self.history = History(database=self.database, clock=self.clock, job_days=30)
        self.inventory = InventoryService(
            database=self.database,
            gateway=self.nodes,
            changes=self.changes,
            clock=self.clock,
            new_id=self.new_id,
        )
        self.edits = ImageEdits(
            database=self.database, images=self.images, catalog=self.catalog, clock=self.clock
        )
        self.adoptions = Adoptions(
            database=self.database,
            images=self.images,
            runs=self.runs,
            clock=self.clock,
            new_id=self.new_id,
        )
        self.usages = ImageUsages(database=self.database, images=self.images)
        self.garbage = Garbage(
            database=self.database, gateway=self.nodes, inventory=self.inventory, clock=self.clock
        )
        self.registry = NodeService(
            database=self.database,
            gateway=self.nodes,
            vm_reports=self.reports,
            changes=self.changes,
            clock=self.clock,
            new_id=self.new_id,
            heartbeat_seconds=10,
        )

    @asynccontextmanager
    async def beside(self, work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
        """Let a service's own task run while the block lasts."""
        task = asyncio.create_task(work)
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def know(self, *values: Node | Image | Job | Vm) -> None:
        """Put values into the database as they are."""
        async with self.database.write() as records:
            for value in values:
                match value:
                    case Node():
                        await records.nodes.save(value)
                    case Image():
                        await records.images.save(value)
                    case Job():
                        await records.jobs.add(value, an_order(value.id, image_id=value.image_id))
                    case Vm():
                        await records.vms.save(value)

    async def names(self) -> tuple[str, ...]:
        async with self.database.read() as records:
            return await records.images.names()

    async def image(self, image_id: str) -> Image:
        async with self.database.read() as records:
            image = await records.images.get(image_id)
        assert image is not None
        return image

    async def node(self, node_id: str) -> Node:
        async with self.database.read() as records:
            node = await records.nodes.get(node_id)
        assert node is not None
        return node

    async def stored_job(self, job_id: str) -> Job:
        async with self.database.read() as records:
            job = await records.jobs.get(job_id)
        assert job is not None
        return job


def ids(values: Iterable[Image | Node | Job]) -> list[str]:
    return [value.id for value in values]
