"""Templates of a VM that runs, with real disks, cleaner and store; hypervisor and agent obey the test."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.changes import Changes
from image_library.domain.errors import (
    CannotClean,
    CleaningFailed,
    FreezeFailed,
    LibraryError,
    VmNotRunning,
    VmRunning,
)
from image_library.domain.guest_door import Doorways
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.machine import Condition, MachineRecord
from image_library.domain.vm import PowerState, VmReport
from image_library.node.adapters.guest_cleaner import E2fsCleaner
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.adapters.unpacking import JailedUnpacker
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.ports.capturing import DiskFile
from image_library.node.services.capture_vm import CaptureVm
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.frozen_guests import FrozenGuests
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.make_image import ImageMaking
from image_library.node.services.vm_lives import VmLives
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import (
    FakeAgents,
    FakeDesk,
    FakeHypervisor,
    FakeWindow,
    MemoryVmJournal,
    QuickClock,
)
from tests.fakes.node_workbench import Workbench, workbench
from tests.integration.node.vms.test_agent import Folders
from tests.integration.test_templates import capture_order
from tests.support.guest_images import SYSTEM, ext, qcow2, tree, xfs
from tests.support.guests_own import GUEST
from tests.unit.node.adapters.test_vm_journal import RECORD

JAIL = Jail(best_wall())
VM = RECORD.machine.vm_id


class Listener:
    def __init__(self) -> None:
        self.states: list[JobState] = []

    async def entered(self, state: JobState) -> None:
        self.states.append(state)

    def worked(self, done: int, total: int) -> None:
        assert 0 <= done <= total


class Site:
    def __init__(self, bench: Workbench, root: Path) -> None:
        self.root = root
        self.hypervisor = FakeHypervisor()
        self.agents = FakeAgents(self.hypervisor)
        self.records = VmRecords(journal=MemoryVmJournal(), changes=Changes())
        clock, folders, holds = QuickClock(), Folders(root), ImageHolds()
        self.frozen = FrozenGuests(
            records=self.records, hypervisor=self.hypervisor, agents=self.agents, clock=clock, patience=5
        )
        self.capture = CaptureVm(
            records=self.records,
            lives=VmLives(
                records=self.records,
                hypervisor=self.hypervisor,
                window=FakeWindow(),
                doors=QemuDoors(folders),
                keeper=DoorKeeper(records=self.records, desk=FakeDesk(), clock=clock, doorways=Doorways()),
                clock=clock,
                host_boot_id="boot",
            ),
            frozen=self.frozen,
            folders=folders,
            disks=JailedVmDisks(JAIL),
            cleaner=E2fsCleaner(JAIL),
            store=bench.store,
            making=ImageMaking(
                store=bench.store,
                inspector=bench.inspector,
                unpacker=JailedUnpacker(JAIL),
                converter=QemuImgImages(JAIL),
            ),
            holds=holds,
        )

    async def runs(self, disk: Path) -> None:
        """A VM with this disk, which it needs no image for."""
        shutil.copy(disk, self.root / "disk.qcow2")
        machine = replace(RECORD.machine, flat=True, disk_name="disk.qcow2", door=False)
        report = VmReport(vm_id=VM, name="web", state=PowerState.RUNNING)
        await self.records.put(MachineRecord(machine=machine, report=report))
        self.hypervisor.becomes(VM, Condition.RUNNING)

    async def template(self, **wish: Any) -> tuple[ConvertedFrom, set[str], list[JobState]]:
        """Its lineage, what of the VM's own is in it, and the states of the way to it."""
        order, heard = replace(capture_order(), **wish), Listener()
        async with self.capture.making(order, key="k", watch=heard) as made:
            assert made.converted_from is not None
            assert made.output is not None
            disk = (DiskFile(path=str(made.output.path), format=ImageFormat.QCOW2),)
            audit = await JailedVmDisks(JAIL).audit(disk)
            return made.converted_from, {trace.code for trace in audit.to_clean}, heard.states

    async def refused(self, **wish: Any) -> LibraryError:
        with pytest.raises(LibraryError) as refused:
            await self.template(**wish)
        return refused.value

    async def free(self) -> None:
        await self.frozen.close()
        assert self.hypervisor.conditions[VM] is Condition.RUNNING
        assert self.agents.frozen == set()
        assert not self.records.get(VM).frozen


@pytest.fixture
async def there(tmp_path: Path) -> AsyncGenerator[Site]:
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(workbench(tmp_path / "data"))
        folder = tmp_path / "vm"
        folder.mkdir()
        site = Site(bench, folder)
        yield site
        assert not [path for path in (tmp_path / "data/parts").rglob("*") if path.is_file()]


@pytest.fixture
def ext4_disk(tmp_path: Path) -> Path:
    return qcow2(ext(tmp_path / "ext4.raw", tree(tmp_path / "ext4", GUEST), mib=24))


@pytest.fixture
def xfs_disk(tmp_path: Path) -> Path:
    return qcow2(xfs(tmp_path / "xfs.raw", tree(tmp_path / "xfs", GUEST)))


async def test_one_that_runs_is_frozen_copied_and_cleaned(there: Site, ext4_disk: Path) -> None:
    await there.runs(ext4_disk)
    source, left, states = await there.template(capture_frozen=True)
    assert source.captured
    assert (source.captured.frozen, source.captured.cleaned, left) == (True, True, set())
    assert states[:2] == [JobState.INSPECTING, JobState.CONVERTING]
    assert (there.agents.freezes, there.agents.scripts) == (1, [])
    await there.free()


async def test_nothing_is_asked_of_one_that_may_not_be_frozen(there: Site, ext4_disk: Path) -> None:
    await there.runs(ext4_disk)
    refused = await there.refused()
    assert isinstance(refused, VmRunning)
    assert "--frozen" in refused.remedy
    assert there.agents.freezes == 0


async def test_what_could_never_be_one_is_refused_before_it_stands_still(there: Site, xfs_disk: Path) -> None:
    await there.runs(xfs_disk)
    refused = await there.refused(capture_frozen=True)
    assert isinstance(refused, CannotClean)
    assert "--clean-in-guest" in refused.remedy
    assert there.agents.freezes == 0


async def test_its_disk_is_judged_as_it_was_when_it_stood_still(
    there: Site, xfs_disk: Path, tmp_path: Path
) -> None:
    """What it wrote after the first look counts."""
    await there.runs(qcow2(xfs(tmp_path / "fresh.raw", tree(tmp_path / "fresh", SYSTEM))))

    async def writes() -> None:
        await asyncio.to_thread(shutil.copy, xfs_disk, there.root / "disk.qcow2")

    there.agents.meanwhile = writes
    assert isinstance(await there.refused(capture_frozen=True), CannotClean)
    assert there.agents.freezes == 1
    await there.free()


async def test_its_agent_cleans_what_cannot_be_cleaned_from_outside(
    there: Site, xfs_disk: Path, tmp_path: Path
) -> None:
    await there.runs(xfs_disk)
    refused = await there.refused(capture_frozen=True, capture_in_guest=True)
    assert isinstance(refused, CleaningFailed)
    assert "in the guest" in refused.message
    await there.free()
    # As it is once the script has done its work.
    fresh = qcow2(xfs(tmp_path / "fresh.raw", tree(tmp_path / "fresh", SYSTEM)))

    async def written() -> None:
        assert "remove" in there.agents.scripts[-1]
        await asyncio.to_thread(shutil.copy, fresh, there.root / "disk.qcow2")

    there.agents.meanwhile = written
    source, left, _ = await there.template(capture_frozen=True, capture_in_guest=True)
    assert source.captured
    assert (source.captured.frozen, source.captured.cleaned, left) == (True, True, set())
    await there.free()


async def test_its_agent_must_run_to_clean_it(there: Site, ext4_disk: Path) -> None:
    await there.runs(ext4_disk)
    await there.records.report(VM, state=PowerState.STOPPED)
    refused = await there.refused(capture_frozen=True, capture_in_guest=True)
    assert isinstance(refused, VmNotRunning)
    # Stopped, it is captured without being frozen.
    source, left, _ = await there.template(capture_frozen=True)
    assert source.captured
    assert (source.captured.frozen, left, there.agents.freezes) == (False, set(), 0)


async def test_one_that_does_not_freeze_is_no_template(there: Site, ext4_disk: Path) -> None:
    await there.runs(ext4_disk)
    there.agents.failure = FreezeFailed("Not in time.")
    assert isinstance(await there.refused(capture_frozen=True), FreezeFailed)
    await there.free()
