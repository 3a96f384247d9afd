"""A VM's life as its node sees it: followed while it runs, settled when it ends, found again later."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from image_library.domain.errors import LibraryError
from image_library.domain.machine import Condition, MachineRecord
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import GuestDoors, GuestWindow, Hypervisor
from image_library.node.services.boot_watch import BootWatch
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.guest_door import GuestDoor
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()
T = TypeVar("T")

# A process that does not answer may do so again.
RETRY_SECONDS = 5.0

ALIVE = frozenset({PowerState.RUNNING, PowerState.PAUSED})
# A VM whose process should be there.
OPEN = ALIVE | {PowerState.UNKNOWN}
_STATES = {
    Condition.RUNNING: PowerState.RUNNING,
    Condition.PAUSED: PowerState.PAUSED,
    Condition.DISK_FAILED: PowerState.PAUSED,
}
_REASONS = {
    Condition.DISK_FAILED: "The host's disk is full or failing. Free some space, then stop and start the VM."
}
# How often a console is kept from growing without end.
TRIM_SECONDS = 30.0


class VmLives:
    """Keeps the records true. Whoever changes a VM holds its lock."""

    def __init__(
        self,
        *,
        records: VmRecords,
        hypervisor: Hypervisor,
        window: GuestWindow,
        doors: GuestDoors,
        keeper: DoorKeeper,
        clock: Clock,
        host_boot_id: str,
    ) -> None:
        self._records = records
        self._hypervisor = hypervisor
        self._window = window
        self._doors = doors
        self._keeper = keeper
        self._clock = clock
        self.host_boot_id = host_boot_id
        # Weak: a lock lasts as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._followers: dict[str, list[asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def lock(self, vm_id: str) -> asyncio.Lock:
        return self._locks.setdefault(vm_id, asyncio.Lock())

    async def close(self) -> None:
        for vm_id in tuple(self._followers):
            await self.unfollow(vm_id)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def follow(self, record: MachineRecord, *, again: bool = False) -> None:
        """Watches a VM that runs, until it is unfollowed or ends. ``again``: somebody did before."""
        vm_id = record.machine.vm_id
        tasks = [
            asyncio.create_task(self._follow_power(vm_id)),
            asyncio.create_task(self._trim_console(vm_id)),
        ]
        if record.report.stage is not BootStage.DONE:
            tasks.append(asyncio.create_task(self._follow_boot(record)))
        if record.machine.door:
            door = GuestDoor(vm_id, doors=self._doors, keeper=self._keeper, clock=self._clock)
            tasks.append(asyncio.create_task(self._serve(door, vm_id, again=again)))
        self._followers[vm_id] = tasks

    async def unfollow(self, vm_id: str) -> None:
        tasks = self._followers.pop(vm_id, [])
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow_power(self, vm_id: str) -> None:
        """Takes notice when the guest pauses, goes on, or ends by itself."""
        known: Condition | None = Condition.RUNNING
        while known is None or known in _STATES:
            known = await self._next_condition(vm_id, known)
        # A task of its own: settling cancels this one.
        self.keep(asyncio.create_task(self._gone_by_itself(vm_id, known)))

    async def _next_condition(self, vm_id: str, known: Condition | None) -> Condition | None:
        """Waits for another condition than ``known`` and reports it; None while that cannot be told."""
        try:
            condition = await self._hypervisor.changed(vm_id, known)
        except LibraryError as error:
            await self._records.report(vm_id, state=PowerState.UNKNOWN, error_message=str(error))
            await self._clock.sleep(RETRY_SECONDS)
            return None
        if condition in _STATES:
            why = _REASONS.get(condition, "")
            await self._records.report(vm_id, state=_STATES[condition], error_message=why)
        return condition

    async def _gone_by_itself(self, vm_id: str, condition: Condition) -> None:
        me = self._followers.get(vm_id)
        async with self.lock(vm_id):
            record = self._records.find(vm_id)
            # Somebody who held the lock has settled it, or even started it again.
            if record is None or self._followers.get(vm_id) is not me or record.report.state not in OPEN:
                return
            if condition is Condition.SHUT_DOWN:
                log.info("vm_switched_itself_off", vm_id=vm_id)
                await self.settle_stopped(vm_id)
            else:
                await self.unfollow(vm_id)
                await self._lost(record)

    async def _follow_boot(self, record: MachineRecord) -> None:
        watch = BootWatch(record, window=self._window, records=self._records, clock=self._clock)
        try:
            await watch.run()
        except Exception:
            log.exception("boot_watch_failed", vm_id=record.machine.vm_id)

    async def _serve(self, door: GuestDoor, vm_id: str, *, again: bool) -> None:
        try:
            await door.run(again=again)
        except Exception:
            log.exception("guest_door_failed", vm_id=vm_id)

    async def _trim_console(self, vm_id: str) -> None:
        """A guest may write on its console for years; the host's disk is not its to fill."""
        while True:
            await self._clock.sleep(TRIM_SECONDS)
            await self._window.trim_console(vm_id)

    async def ended(self, vm_id: str) -> Condition:
        """Waits until the guest no longer runs."""
        condition = await self._hypervisor.condition(vm_id)
        while condition in _STATES:
            condition = await self._hypervisor.changed(vm_id, condition)
        return condition

    async def settle_stopped(self, vm_id: str) -> None:
        await self.unfollow(vm_id)
        await self._hypervisor.end(vm_id)
        await self._settle(vm_id, PowerState.STOPPED, "")

    async def _settle(self, vm_id: str, state: PowerState, why: str) -> None:
        def settled(record: MachineRecord) -> MachineRecord:
            running = record.report.cloud_init is CloudInitStatus.RUNNING
            report = replace(
                record.report,
                state=state,
                error_message=why,
                cloud_init=CloudInitStatus.UNKNOWN if running else record.report.cloud_init,
            )
            task = None if record.frozen else record.task
            return record.evolve(report=report, stopping=False, frozen=False, task=task)

        await self._records.update(vm_id, settled)

    async def find_again(self, record: MachineRecord) -> None:
        """How a VM fares that an earlier daemon left; where that cannot be told, its report says so."""
        vm_id = record.machine.vm_id
        try:
            condition = await self._hypervisor.condition(vm_id)
            if condition in _STATES and record.report.state not in OPEN:
                # Started, but killed before that was written down: whoever asked has had no answer.
                await self._hypervisor.end(vm_id)
            elif condition in _STATES:
                await self._records.report(vm_id, state=_STATES[condition])
                self.follow(self._records.get(vm_id), again=True)
            elif condition is Condition.SHUT_DOWN:
                await self.settle_stopped(vm_id)
            elif record.report.state in OPEN:
                await self._lost(record)
        except LibraryError as error:
            log.warning("vm_not_found_again", vm_id=vm_id, error=str(error))
            await self._records.report(vm_id, state=PowerState.UNKNOWN, error_message=str(error))
            self.follow(record, again=True)

    async def _lost(self, record: MachineRecord) -> None:
        """Its process is gone: because we ended it, because the host went down, or by itself."""
        vm_id = record.machine.vm_id
        if record.stopping:
            await self._settle(vm_id, PowerState.STOPPED, "")
            return
        same_boot = record.host_boot_id == self.host_boot_id
        why = "Its process ended unexpectedly." if same_boot else "The host was restarted while it ran."
        log.warning("vm_crashed", vm_id=vm_id, same_boot=same_boot)
        await self._settle(vm_id, PowerState.CRASHED, why)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Work that is done whole, also when the caller leaves in the middle of it."""
        return await asyncio.shield(self.keep(asyncio.create_task(work)))

    def keep(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """The task, which ``close`` waits for."""
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Its caller may have left: then nobody else asks for the error.
        if not task.cancelled():
            task.exception()
