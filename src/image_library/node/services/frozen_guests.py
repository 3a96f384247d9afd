"""Guests that stand still while their disks are copied: frozen, held, and let go again whatever happens.

The journal says so before anything is asked of a guest. Whoever finds it there, also a later daemon, resumes
the VM and thaws its file systems, in this order, as only a guest that runs can thaw; again, until it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from image_library.domain.errors import (
    AgentMissing,
    CannotClean,
    FreezeFailed,
    FrozenTooLong,
    LibraryError,
    NotStill,
    VmNotRunning,
)
from image_library.domain.machine import Condition, MachineRecord
from image_library.domain.vm import PowerState
from image_library.domain.vm_disk import DiskTask, DiskTaskKind
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import GuestAgents, Hypervisor
from image_library.node.services.vm_lives import OPEN, RETRY_SECONDS
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

Work = Callable[[], Coroutine[Any, Any, None]]

# Others give a silent machine up after some minutes: their connections, and those of clusters.
LONGEST_SECONDS = 600.0
# How long is waited for a guest that does not thaw, before others get their turn; trying goes on.
PATIENCE_SECONDS = 45.0


class FrozenGuests:
    """Call ``recover`` once the VMs were found again, and ``close`` before their hypervisor is let go."""

    def __init__(
        self,
        *,
        records: VmRecords,
        hypervisor: Hypervisor,
        agents: GuestAgents,
        clock: Clock,
        longest: float = LONGEST_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._records = records
        self._hypervisor = hypervisor
        self._agents = agents
        self._clock = clock
        self._longest = longest
        self._patience = patience
        # Those that are being let go, by VM.
        self._releases: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """Begins to let go what a dead daemon froze."""
        for record in self._records.all():
            if record.frozen:
                log.warning("vm_found_frozen", vm_id=record.machine.vm_id)
                self._release(record.machine.vm_id, None)

    async def close(self) -> None:
        """Waits a while for those that are being let go; the next start goes on with them."""
        releases = tuple(self._releases.values())
        if releases:
            await asyncio.wait(releases, timeout=self._patience)
            for release in releases:
                release.cancel()

    async def clean(self, vm_id: str, script: str) -> None:
        """Let the guest run it. Its next boot is a first one, so it may report once more.

        Raises:
            CannotClean: it has no disk of documents, and would be told nothing at that boot.
            VmNotRunning, AgentMissing, AgentForbids, CleaningFailed
            FreezeFailed: it is still frozen from an earlier time.
        """
        await self._settled(vm_id)
        machine = _running(self._records.get(vm_id)).machine
        if machine.seed_served:
            raise CannotClean(
                f"The VM '{machine.name}' has no disk of documents: cleaned, it would be told nothing next.",
                remedy="Capture it with --frozen: then only the copy is cleaned.",
            )
        await self._records.note(vm_id, lambda record: record.evolve(lock=record.lock.opened()))
        await self._agents.run(vm_id, script)

    async def hold(self, vm_id: str, work: Work) -> None:
        """Do the work while the VM stands still and its disk is whole. The caller holds the VM's lock.

        Raises:
            VmNotRunning: it is paused, or its state is not known.
            AgentMissing, FreezeFailed, HypervisorFailed: it cannot be brought to stand still.
            FrozenTooLong, NotStill: the work was ended: it took too long, or it had no use any more.
            The errors of the work.
        """
        await self._settled(vm_id)
        before = _running(self._records.get(vm_id)).task
        asked = False
        try:
            task = DiskTask(kind=DiskTaskKind.CAPTURE)
            await self._records.note(vm_id, lambda record: record.evolve(frozen=True, task=task))
            asked = True
            try:
                await self._agents.freeze(vm_id)
            except AgentMissing:
                asked = False
                raise
            await self._hypervisor.pause(vm_id)
            log.info("vm_frozen", vm_id=vm_id)
            await self._still(vm_id, work)
        finally:
            if asked:
                await asyncio.wait({self._release(vm_id, before)}, timeout=self._patience)
            else:
                await self._let_go(vm_id, before)

    def tell(self, vm_id: str, share: float) -> None:
        """How much of the work is done, 0 to 1."""
        percent = min(99, int(share * 100))
        task = DiskTask(kind=DiskTaskKind.CAPTURE, percent=percent)
        self._records.tell(vm_id, lambda record: record.evolve(task=task) if record.frozen else record)

    async def _still(self, vm_id: str, work: Work) -> None:
        """The work, for as long as the VM stands still."""
        doing = asyncio.ensure_future(work())
        changed = asyncio.ensure_future(self._hypervisor.changed(vm_id, Condition.PAUSED))
        both = {doing, changed}
        try:
            await asyncio.wait(both, timeout=self._longest, return_when=asyncio.FIRST_COMPLETED)
            if changed.done():
                raise NotStill("The VM did not stand still until its disk was copied.")
            if not doing.done():
                raise FrozenTooLong(f"Copying the disk took longer than {self._longest:g} s.")
            doing.result()
        finally:
            for one in both:
                one.cancel()
            await asyncio.wait(both)

    async def _settled(self, vm_id: str) -> None:
        """Raises FreezeFailed where an earlier one is still frozen."""
        if (release := self._releases.get(vm_id)) is not None:
            await asyncio.wait({release}, timeout=self._patience)
            if not release.done():
                raise FreezeFailed("The guest's file systems are still frozen from an earlier time.")

    def _release(self, vm_id: str, before: DiskTask | None) -> asyncio.Task[None]:
        """A task of its own: nobody who leaves ends it."""
        release = asyncio.create_task(self._released(vm_id, before), name=f"thaw {vm_id}")
        self._releases[vm_id] = release
        release.add_done_callback(lambda _: self._releases.pop(vm_id, None))
        return release

    async def _released(self, vm_id: str, before: DiskTask | None) -> None:
        while (record := self._records.find(vm_id)) is not None and record.frozen:
            try:
                await self._thawed(vm_id)
                break
            except LibraryError as error:
                log.warning("vm_not_thawed", vm_id=vm_id, code=error.code)
                if record.report.state in OPEN:
                    said = f"{error.message} If this stays so, stop it by force and start it again."
                    await self._records.report(vm_id, error_message=said)
                await self._clock.sleep(RETRY_SECONDS)
        await self._let_go(vm_id, before)
        log.info("vm_let_go", vm_id=vm_id)

    async def _thawed(self, vm_id: str) -> None:
        if await self._hypervisor.condition(vm_id) in (Condition.GONE, Condition.SHUT_DOWN):
            return
        await self._hypervisor.resume(vm_id)
        await self._agents.thaw(vm_id)
        # Its follower may hear of it later than whoever asks next.
        if self._records.get(vm_id).report.state in OPEN:
            await self._records.report(vm_id, state=PowerState.RUNNING, error_message="")

    async def _let_go(self, vm_id: str, before: DiskTask | None) -> None:
        await self._records.update(vm_id, lambda record: record.evolve(frozen=False, task=before))


def _running(record: MachineRecord) -> MachineRecord:
    if record.report.state is not PowerState.RUNNING:
        raise VmNotRunning(f"The VM '{record.machine.name}' does not run.")
    return record
