import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from image_library.domain.changes import Changes
from image_library.domain.errors import (
    HypervisorFailed,
    ImageNotReady,
    InvalidRequest,
    StorageFull,
    UnknownVm,
)
from image_library.domain.guest_door import Doorways
from image_library.domain.machine import Condition, DiskOrder, Firmware, MachineOrder
from image_library.domain.vm import BootStage, PowerState, SeedDocuments
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.services.disk_tasks import DiskTasks
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.provision_vm import ProvisionVm
from image_library.node.services.vm_lives import TRIM_SECONDS, VmLives
from image_library.node.services.vm_records import ANY_VM, VmRecords
from image_library.node.services.vm_streams import VmStreams
from image_library.node.services.vms import Vms
from tests.fakes.hypervisor import (
    FakeDesk,
    FakeDisks,
    FakeHypervisor,
    FakeSeeds,
    FakeWindow,
    KnownImages,
    MemoryFolders,
    MemoryVmJournal,
    QuickClock,
    published,
)

DIGEST = "sha256:" + "a" * 64
ORDER = MachineOrder(
    vm_id="vm-1",
    name="web",
    architecture="x86_64",
    cores=1,
    memory_mib=512,
    firmware=Firmware.BIOS,
    disk=DiskOrder(backing_digest=DIGEST),
    seed=SeedDocuments(user_data="", meta_data=""),
)
OTHER = replace(ORDER, vm_id="vm-2", name="db")


class Daemon:
    """One run of the daemon over a disk and a host that outlive it."""

    def __init__(self, disk: "Disk", *, boot_id: str = "boot-1") -> None:
        self.disk = disk
        self.clock = QuickClock()
        self.changes = Changes()
        self.records = VmRecords(journal=disk.journal, changes=self.changes)
        self.images = images = KnownImages(published(DIGEST, virtual_size=1 << 30))
        self.seeds = FakeSeeds()
        self.desk = FakeDesk()
        keeper = DoorKeeper(records=self.records, desk=self.desk, clock=self.clock, doorways=Doorways())
        provision = ProvisionVm(
            journal=disk.journal,
            images=images,
            files=images.files,
            folders=disk.folders,
            disks=FakeDisks(),
            seeds=self.seeds,
            desk=self.desk,
            holds=ImageHolds(),
            hypervisor=disk.hypervisor,
            doorways=Doorways(),
        )
        lives = VmLives(
            records=self.records,
            hypervisor=disk.hypervisor,
            window=disk.window,
            doors=QemuDoors(disk.folders),
            keeper=keeper,
            clock=self.clock,
            host_boot_id=boot_id,
        )
        self.streams = VmStreams(records=self.records, window=disk.window, clock=self.clock)
        self.vms = Vms(
            records=self.records,
            lives=lives,
            provision=provision,
            keeper=keeper,
            folders=disk.folders,
            hypervisor=disk.hypervisor,
            images=images,
            tasks=DiskTasks(
                records=self.records, lives=lives, folders=disk.folders, hypervisor=disk.hypervisor
            ),
            clock=self.clock,
        )

    async def until(self, vm_id: str, state: PowerState) -> None:
        async with asyncio.timeout(5), aclosing(self.streams.watch(vm_id)) as reports:
            async for report in reports:
                if report.state is state:
                    return
        raise AssertionError(f"{vm_id} was never {state}")


class Disk:
    def __init__(self) -> None:
        self.journal = MemoryVmJournal()
        self.folders = MemoryFolders()
        self.hypervisor = FakeHypervisor()
        self.window = FakeWindow()
        self.daemons: list[Daemon] = []

    async def daemon(self, *, boot_id: str = "boot-1") -> Daemon:
        """A new daemon, as after a kill of the one before."""
        for dead in self.daemons:
            await dead.vms.close()
        daemon = Daemon(self, boot_id=boot_id)
        self.daemons.append(daemon)
        await daemon.vms.recover()
        return daemon


@pytest.fixture
async def disk() -> AsyncIterator[Disk]:
    disk = Disk()
    yield disk
    for daemon in disk.daemons:
        await daemon.vms.close()


@pytest.fixture
async def daemon(disk: Disk) -> Daemon:
    return await disk.daemon()


async def test_the_same_vm_is_made_once(daemon: Daemon) -> None:
    assert await daemon.vms.create(ORDER)
    assert not await daemon.vms.create(ORDER)


async def test_two_calls_at_once_make_one_vm(daemon: Daemon) -> None:
    made = await asyncio.gather(daemon.vms.create(ORDER), daemon.vms.create(ORDER))
    assert sorted(made) == [False, True]


async def test_refuses_an_id_that_is_no_folders_name(daemon: Daemon) -> None:
    with pytest.raises(InvalidRequest):
        await daemon.vms.create(replace(ORDER, vm_id="../x"))
    with pytest.raises(InvalidRequest):
        await daemon.vms.delete("../x")


async def test_starting_reports_where_ssh_is(daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    report = daemon.vms.status("vm-1")
    assert (report.state, report.stage) == (PowerState.RUNNING, BootStage.BOOT)
    assert (report.ssh_host, report.ssh_port) == ("127.0.0.1", 40001)
    assert report.started_at is not None


async def test_a_vm_keeps_its_port_and_does_not_take_anothers(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.create(OTHER)
    await daemon.vms.start("vm-1")
    await daemon.vms.stop("vm-1")
    await daemon.vms.start("vm-2")
    await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").ssh_port == 40001
    assert 40001 in disk.hypervisor.started[1][1]


async def test_starting_a_running_vm_leaves_it_alone(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    await daemon.vms.start("vm-1")
    assert len(disk.hypervisor.started) == 1


async def test_a_refused_start_leaves_it_stopped(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    disk.hypervisor.refusal = HypervisorFailed("No.")
    with pytest.raises(HypervisorFailed):
        await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED


async def test_stopping_asks_the_guest_first(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    await daemon.vms.stop("vm-1")
    assert disk.hypervisor.asked == ["button"]
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED


async def test_stopping_insists_on_a_guest_that_does_not_listen(disk: Disk, daemon: Daemon) -> None:
    disk.hypervisor.obeys_button = False
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    await daemon.vms.stop("vm-1", seconds=20)
    assert disk.hypervisor.asked == ["button", "button", "button", "agent", "button", "agent"]
    assert disk.hypervisor.ended == ["vm-1"]
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED


async def test_a_forced_stop_cuts_a_patient_one_short(disk: Disk, daemon: Daemon) -> None:
    disk.hypervisor.obeys_button = False
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    patient = asyncio.create_task(daemon.vms.stop("vm-1", seconds=1e9))
    await disk.hypervisor.was_asked.wait()
    await asyncio.wait_for(daemon.vms.force_stop("vm-1"), 5)
    await asyncio.wait_for(patient, 5)
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED


async def test_a_guest_that_switches_itself_off_has_stopped(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.hypervisor.becomes("vm-1", Condition.SHUT_DOWN)
    await daemon.until("vm-1", PowerState.STOPPED)
    assert disk.hypervisor.ended == ["vm-1"]


async def test_a_process_that_is_gone_has_crashed(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.hypervisor.becomes("vm-1", Condition.GONE)
    await daemon.until("vm-1", PowerState.CRASHED)
    assert daemon.vms.status("vm-1").error_message == "Its process ended unexpectedly."


async def test_a_crashed_vm_starts_again(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.hypervisor.becomes("vm-1", Condition.GONE)
    await daemon.until("vm-1", PowerState.CRASHED)
    await daemon.vms.start("vm-1")
    report = daemon.vms.status("vm-1")
    assert (report.state, report.error_message) == (PowerState.RUNNING, "")


async def test_a_pause_shows_and_passes(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.hypervisor.becomes("vm-1", Condition.PAUSED)
    await daemon.until("vm-1", PowerState.PAUSED)
    disk.hypervisor.becomes("vm-1", Condition.RUNNING)
    await daemon.until("vm-1", PowerState.RUNNING)


async def test_a_disk_that_fails_on_the_host_is_named(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.hypervisor.becomes("vm-1", Condition.DISK_FAILED)
    await daemon.until("vm-1", PowerState.PAUSED)
    assert "disk is full" in daemon.vms.status("vm-1").error_message
    disk.hypervisor.becomes("vm-1", Condition.RUNNING)
    await daemon.until("vm-1", PowerState.RUNNING)
    assert daemon.vms.status("vm-1").error_message == ""


async def test_the_console_of_a_running_vm_is_kept_small(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    await daemon.clock.sleep(TRIM_SECONDS * 2.5)
    assert disk.window.trimmed == 2
    await daemon.vms.stop("vm-1")
    await daemon.clock.sleep(TRIM_SECONDS * 2.5)
    assert disk.window.trimmed == 2


async def test_a_new_daemon_finds_a_running_vm_again(disk: Disk) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    await first.vms.start("vm-1")
    second = await disk.daemon()
    assert second.vms.status("vm-1").state is PowerState.RUNNING
    disk.hypervisor.becomes("vm-1", Condition.SHUT_DOWN)
    await second.until("vm-1", PowerState.STOPPED)


@pytest.mark.parametrize(
    ("condition", "state"),
    [(Condition.SHUT_DOWN, PowerState.STOPPED), (Condition.GONE, PowerState.CRASHED)],
)
async def test_a_new_daemon_tells_how_a_vm_ended_meanwhile(
    disk: Disk, condition: Condition, state: PowerState
) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    await first.vms.start("vm-1")
    await first.vms.close()
    disk.hypervisor.becomes("vm-1", condition)
    assert (await disk.daemon()).vms.status("vm-1").state is state


async def test_a_restarted_host_is_named_as_the_cause(disk: Disk) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    await first.vms.start("vm-1")
    await first.vms.close()
    disk.hypervisor.becomes("vm-1", Condition.GONE)
    second = await disk.daemon(boot_id="boot-2")
    assert second.vms.status("vm-1").error_message == "The host was restarted while it ran."


async def test_a_stop_that_the_daemon_did_not_survive_is_no_crash(disk: Disk) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    await first.vms.start("vm-1")
    await first.vms.close()
    record = disk.journal.records["vm-1"]
    disk.journal.records["vm-1"] = record.evolve(stopping=True)
    disk.hypervisor.becomes("vm-1", Condition.GONE)
    assert (await disk.daemon()).vms.status("vm-1").state is PowerState.STOPPED


async def test_a_start_that_was_never_written_down_is_undone(disk: Disk) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    disk.hypervisor.becomes("vm-1", Condition.RUNNING)
    second = await disk.daemon()
    assert disk.hypervisor.ended == ["vm-1"]
    assert second.vms.status("vm-1").state is PowerState.STOPPED


async def test_a_vm_that_does_not_answer_is_unknown_until_it_does(disk: Disk) -> None:
    first = await disk.daemon()
    await first.vms.create(ORDER)
    await first.vms.start("vm-1")
    await first.vms.close()
    disk.hypervisor.mute.add("vm-1")
    second = await disk.daemon()
    assert second.vms.status("vm-1").state is PowerState.UNKNOWN
    disk.hypervisor.mute.clear()
    await second.until("vm-1", PowerState.RUNNING)
    assert second.vms.status("vm-1").error_message == ""


async def test_a_folder_without_a_record_is_cleaned_away(disk: Disk) -> None:
    disk.folders.names.add("half-made")
    await disk.daemon()
    assert disk.folders.names == set()
    assert disk.hypervisor.ended == ["half-made"]


async def test_deleting_ends_it_and_removes_its_files_only(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.create(OTHER)
    await daemon.vms.start("vm-1")
    await daemon.vms.delete("vm-1")
    assert disk.folders.names == {"vm-2"}
    assert [report.vm_id for report in daemon.vms.reports()] == ["vm-2"]
    with pytest.raises(UnknownVm):
        daemon.vms.status("vm-1")


async def test_deleting_what_is_not_there_succeeds(daemon: Daemon) -> None:
    await daemon.vms.delete("vm-9")


async def test_names_who_uses_an_image(daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    assert await daemon.vms.users_of(DIGEST) == ("web",)
    assert await daemon.vms.users_of("sha256:" + "b" * 64) == ()
    assert await daemon.vms.users_of("") == ()


async def test_watching_ends_when_the_vm_is_deleted(daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    reports = daemon.streams.watch("vm-1")
    assert (await anext(reports)).state is PowerState.STOPPED
    await daemon.vms.start("vm-1")
    assert (await anext(reports)).state is PowerState.RUNNING
    await daemon.vms.delete("vm-1")
    assert await anext(reports, None) is None


async def test_watching_what_is_not_there_says_so(daemon: Daemon) -> None:
    with pytest.raises(UnknownVm):
        await anext(daemon.streams.watch("vm-9"))


async def test_any_change_rings_the_common_bell(daemon: Daemon) -> None:
    with daemon.changes.follow(ANY_VM) as bell:
        await daemon.vms.create(ORDER)
        await asyncio.wait_for(bell.wait(), 5)


async def test_a_caller_who_leaves_does_not_leave_a_half_started_vm(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    starting = asyncio.create_task(daemon.vms.start("vm-1"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await daemon.until("vm-1", PowerState.RUNNING)


async def test_reads_the_console_from_an_offset(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    disk.window.text["vm-1"] = b"x" * 100
    pieces = [piece async for piece in daemon.streams.console("vm-1", offset=30, follow=False)]
    assert pieces == [(30, b"x" * 64), (94, b"x" * 6)]


async def test_a_follower_of_the_console_goes_on_with_the_next_boot(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    disk.window.text["vm-1"] = b"first boot"
    pieces = daemon.streams.console("vm-1", offset=0, follow=True)
    async with aclosing(pieces):
        assert await anext(pieces) == (0, b"first boot")
        disk.window.text["vm-1"] = b"next"
        assert await anext(pieces) == (0, b"next")


async def test_a_full_disk_does_not_hide_how_a_vm_fares(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    await daemon.vms.start("vm-1")
    disk.journal.failure = StorageFull("Full.")
    await daemon.vms.stop("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
    await daemon.vms.delete("vm-1")
    assert not disk.folders.names


async def test_a_start_that_cannot_be_written_down_leaves_nothing_running(disk: Disk, daemon: Daemon) -> None:
    await daemon.vms.create(ORDER)
    disk.journal.failure = StorageFull("Full.")
    with pytest.raises(StorageFull):
        await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
    assert await disk.hypervisor.condition("vm-1") is Condition.GONE


async def test_a_vm_is_not_started_on_a_base_that_is_not_whole(disk: Disk) -> None:
    daemon = await disk.daemon()
    await daemon.vms.create(ORDER)
    daemon.images.lose(DIGEST)
    with pytest.raises(ImageNotReady):
        await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
