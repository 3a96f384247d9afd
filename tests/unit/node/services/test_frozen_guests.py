"""Guests held still: what was frozen is thawed, whatever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from image_library.domain.errors import (
    AgentMissing,
    CannotClean,
    FreezeFailed,
    FrozenTooLong,
    HypervisorFailed,
    NotStill,
    StorageFull,
    VmBusy,
    VmNotRunning,
)
from image_library.domain.guest_door import DoorLock
from image_library.domain.machine import Condition, MachineRecord
from image_library.domain.secret import Secret
from image_library.domain.vm import PowerState
from image_library.domain.vm_disk import DiskTaskKind
from image_library.node.services.frozen_guests import FrozenGuests
from tests.fakes.hypervisor import FakeAgents
from tests.unit.node.services.test_vms import ORDER, Daemon, Disk

VM = "vm-1"
Work = Callable[[], Awaitable[None]]


class Site:
    """A daemon whose VM runs, and its guest."""

    def __init__(self, disk: Disk, daemon: Daemon, agents: FakeAgents, *, longest: float = 60) -> None:
        self.hypervisor = disk.hypervisor
        self.journal = disk.journal
        self.daemon = daemon
        self.agents = agents
        self.frozen = FrozenGuests(
            records=daemon.records,
            hypervisor=disk.hypervisor,
            agents=agents,
            clock=daemon.clock,
            longest=longest,
            patience=1,
        )

    @property
    def record(self) -> MachineRecord:
        return self.daemon.records.get(VM)

    def still(self) -> None:
        assert self.hypervisor.conditions[VM] is Condition.PAUSED
        assert self.agents.frozen == {VM}
        assert self.journal.records[VM].frozen

    async def free(self) -> None:
        """As it was before, once the last of it is done."""
        await self.frozen.close()
        assert self.hypervisor.conditions[VM] is Condition.RUNNING
        assert self.agents.frozen == set()
        assert not self.journal.records[VM].frozen
        assert self.record.task is None
        assert (self.record.report.state, self.record.report.error_message) == (PowerState.RUNNING, "")


@pytest.fixture
async def disk() -> AsyncIterator[Disk]:
    disk = Disk()
    yield disk
    for daemon in disk.daemons:
        await daemon.vms.close()


@pytest.fixture
async def site(disk: Disk) -> Site:
    daemon = await disk.daemon()
    await daemon.vms.create(ORDER)
    await daemon.vms.start(VM)
    return Site(disk, daemon, FakeAgents(disk.hypervisor))


async def nothing() -> None:
    pass


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_it_stands_still_for_the_work_and_goes_on(site: Site) -> None:
    seen: list[DiskTaskKind] = []

    async def work() -> None:
        site.still()
        await site.daemon.until(VM, PowerState.PAUSED)
        assert site.record.report.error_message == ""
        site.frozen.tell(VM, 0.5)
        disk = site.daemon.vms.status(VM).disk
        assert disk is not None
        assert disk.task is not None
        assert (disk.task.live, disk.task.percent) == (True, 50)
        seen.append(disk.task.kind)

    await site.frozen.hold(VM, work)
    assert seen == [DiskTaskKind.CAPTURE]
    await site.free()


async def test_others_are_told_and_a_forced_stop_ends_it(site: Site) -> None:
    vms = site.daemon.vms

    async def work() -> None:
        for asked in (vms.stop(VM), vms.start(VM), vms.reboot(VM)):
            with pytest.raises(VmBusy, match="stands still"):
                await asked
        await vms.force_stop(VM)
        await for_ever()

    with pytest.raises(NotStill):
        await site.frozen.hold(VM, work)
    await site.frozen.close()
    assert (site.record.report.state, site.record.frozen) == (PowerState.STOPPED, False)
    assert site.record.task is None


async def test_a_vm_that_is_deleted_meanwhile_is_gone(site: Site) -> None:
    async def work() -> None:
        await site.daemon.vms.delete(VM)
        await for_ever()

    with pytest.raises(NotStill):
        await site.frozen.hold(VM, work)
    await site.frozen.close()
    assert site.daemon.records.find(VM) is None


async def test_it_is_let_go_when_the_work_fails(site: Site) -> None:
    async def work() -> None:
        raise StorageFull("No space.")

    with pytest.raises(StorageFull):
        await site.frozen.hold(VM, work)
    await site.free()


async def test_it_is_let_go_when_the_work_is_cancelled(site: Site) -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await for_ever()

    holding = asyncio.ensure_future(site.frozen.hold(VM, work))
    await began.wait()
    site.still()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    await site.free()


async def test_cancelled_while_it_freezes_it_is_thawed(site: Site) -> None:
    freezing = asyncio.Event()

    async def slow() -> None:
        freezing.set()
        await for_ever()

    site.agents.meanwhile = slow
    holding = asyncio.ensure_future(site.frozen.hold(VM, nothing))
    await freezing.wait()
    assert site.agents.frozen == {VM}
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    await site.free()


async def test_the_longest_time_is_kept(site: Site, disk: Disk) -> None:
    short = Site(disk, site.daemon, site.agents, longest=0.05)
    with pytest.raises(FrozenTooLong):
        await short.frozen.hold(VM, for_ever)
    await short.free()


async def test_whoever_lets_it_go_on_spoils_the_copy(site: Site) -> None:
    async def work() -> None:
        await site.hypervisor.resume(VM)
        await for_ever()

    with pytest.raises(NotStill):
        await site.frozen.hold(VM, work)
    await site.free()


async def test_one_that_froze_and_did_not_say_so_is_thawed(site: Site) -> None:
    site.agents.failure = FreezeFailed("Not in time.")
    with pytest.raises(FreezeFailed):
        await site.frozen.hold(VM, nothing)
    await site.free()


async def test_one_that_cannot_be_paused_is_thawed(site: Site) -> None:
    site.hypervisor.restless = True
    with pytest.raises(HypervisorFailed):
        await site.frozen.hold(VM, nothing)
    await site.free()


async def test_without_an_agent_nothing_is_touched(site: Site) -> None:
    site.agents.silent = True
    with pytest.raises(AgentMissing):
        await site.frozen.hold(VM, nothing)
    await site.free()


async def test_nothing_is_frozen_that_the_journal_does_not_know(site: Site) -> None:
    site.journal.failure = StorageFull("No space.")
    with pytest.raises(StorageFull):
        await site.frozen.hold(VM, nothing)
    assert site.agents.freezes == 0
    site.journal.failure = None


async def test_only_one_that_runs_is_held(site: Site) -> None:
    await site.daemon.vms.force_stop(VM)
    with pytest.raises(VmNotRunning):
        await site.frozen.hold(VM, nothing)
    with pytest.raises(VmNotRunning):
        await site.frozen.clean(VM, "exit 0")
    assert (site.agents.freezes, site.agents.scripts) == (0, [])


async def test_a_guest_that_is_cleaned_may_report_once_more(site: Site) -> None:
    lock = DoorLock.of(Secret("token")).used_by(b"its keys")
    await site.daemon.records.update(VM, lambda record: record.evolve(lock=lock))
    await site.frozen.clean(VM, "exit 0")
    assert site.agents.scripts == ["exit 0"]
    assert site.record.lock.fits(Secret("token"))
    assert not site.record.lock.is_used
    assert site.journal.records[VM].lock == site.record.lock


async def test_one_without_a_disk_of_documents_is_not_cleaned(site: Site) -> None:
    await site.daemon.records.update(VM, lambda record: record.with_machine(seed_served=True))
    with pytest.raises(CannotClean, match="told nothing"):
        await site.frozen.clean(VM, "exit 0")
    assert site.agents.scripts == []


async def test_the_next_daemon_lets_go_what_the_last_one_froze(site: Site, disk: Disk) -> None:
    frozen = asyncio.Event()

    async def work() -> None:
        frozen.set()
        await for_ever()

    # A daemon that is killed does nothing of what it would do when cancelled.
    dead = asyncio.ensure_future(site.frozen.hold(VM, work))
    await frozen.wait()
    killed = dict(disk.journal.records)
    dead.cancel()
    await asyncio.wait({dead})
    disk.journal.records = killed
    disk.hypervisor.becomes(VM, Condition.PAUSED)
    site.agents.frozen.add(VM)

    daemon = await disk.daemon()
    assert daemon.records.get(VM).report.state is PowerState.PAUSED
    later = Site(disk, daemon, site.agents)
    await later.frozen.recover()
    # The job that goes on freezes it again only then.
    await later.frozen.hold(VM, nothing)
    assert site.agents.freezes == 2
    await later.free()


async def test_an_agent_that_does_not_thaw_is_told_of_and_asked_again(site: Site) -> None:
    async def work() -> None:
        site.agents.silent = True

    await site.frozen.hold(VM, work)
    assert site.record.frozen
    assert "start it again" in site.record.report.error_message
    with pytest.raises(FreezeFailed, match="earlier"):
        await site.frozen.hold(VM, nothing)
    site.agents.silent = False
    async with asyncio.timeout(5):
        while site.record.frozen:
            await site.daemon.clock.sleep(1)
    await site.free()
