"""Following VMs on their nodes while they boot or somebody watches, so that stages arrive as they happen.

At all other times heartbeats are enough. A follower carries no state: it hands each report on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import aclosing, contextmanager

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.ports.vms import NodeVms
from image_library.controlplane.services.download_runs import node_key
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changes
from image_library.domain.errors import LibraryError, NodeUnreachable
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport

log = structlog.get_logger()

PAUSE_SECONDS = 5.0


class VmFollowers:
    def __init__(
        self, *, database: Database, records: VmRecords, nodes: NodeVms, changes: Changes, clock: Clock
    ) -> None:
        self._database = database
        self._records = records
        self._nodes = nodes
        self._changes = changes
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watchers: Counter[str] = Counter()
        # Followed VMs from which nothing of a first boot is still to come.
        self._settled: set[str] = set()

    async def resume(self) -> None:
        """Follow every VM that was booting when the control plane ended."""
        async with self._database.read() as records:
            running = await records.vms.in_state(PowerState.RUNNING)
        for vm in running:
            if not settled(vm.report):
                self.ensure(vm)

    def ensure(self, vm: Vm) -> None:
        """Follow it from now on; following it twice is following it once."""
        if vm.id not in self._tasks:
            task = asyncio.create_task(self._follow(vm), name=f"follow-{vm.id}")
            self._tasks[vm.id] = task
            task.add_done_callback(lambda done: self._ended(vm.id, done))

    def forget(self, vm_id: str) -> None:
        """Follow it no more: it is deleted here, whether or not its node knows."""
        self._settled.discard(vm_id)
        task = self._tasks.pop(vm_id, None)
        if task is not None:
            task.cancel()

    @contextmanager
    def watched(self, vm: Vm) -> Generator[None]:
        """Somebody watches: changes are brought at once until the block ends."""
        self._watchers[vm.id] += 1
        try:
            yield
        finally:
            self._watchers[vm.id] -= 1
            if not self._watchers[vm.id]:
                del self._watchers[vm.id]
                if vm.id in self._settled:
                    self.forget(vm.id)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, vm_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(vm_id) is task:
            del self._tasks[vm_id]
            self._settled.discard(vm_id)
        if not task.cancelled() and task.exception() is not None:
            log.error("vm_follower_fault", vm_id=vm_id, exc_info=task.exception())

    async def _follow(self, vm: Vm) -> None:
        with self._changes.follow(node_key(vm.node_id)) as back:
            while not await self._listen(vm):
                await bell_or_time(back, self._clock, PAUSE_SECONDS)

    async def _listen(self, vm: Vm) -> bool:
        """Hand on what the node says; True when there is nothing more to follow."""
        try:
            node = await self._records.node_of(vm)
            async with aclosing(self._nodes.watch(node, vm.id)) as reports:
                async for report in reports:
                    await self._records.record(node.id, (report,), complete=False)
                    if self._over(vm.id, report):
                        return True
        except NodeUnreachable:
            return False
        except LibraryError as error:
            log.info("vm_follower_ended", vm_id=vm.id, code=error.code)
        return True

    def _over(self, vm_id: str, report: VmReport) -> bool:
        note = self._settled.add if settled(report) else self._settled.discard
        note(vm_id)
        return settled(report) and not self._watchers[vm_id]


def settled(report: VmReport) -> bool:
    """Whether nothing of a first boot, or of work on its disk, is still to come."""
    task = report.disk.task if report.disk else None
    if task is not None and task.live:
        return False
    return report.state is not PowerState.RUNNING or report.stage is BootStage.DONE
