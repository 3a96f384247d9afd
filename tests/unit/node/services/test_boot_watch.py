import asyncio

import pytest

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.changes import Changes
from image_library.domain.guest_report import GuestReport
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, VmReport
from image_library.node.services.boot_watch import GIVE_UP_SECONDS, UNHEARD_SECONDS, BootWatch
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import FakeWindow, MemoryVmJournal, QuickClock

RUNNING = b"Cloud-init v. 23.4 running 'init' at now\nCloud-init v. 23.4 running 'modules:final' at now\n"
FINISHED = b"Cloud-init v. 23.4 finished at now. Datasource DataSourceNoCloud [x].  Up 30 seconds\n"
RECORD = MachineRecord(
    machine=Machine(
        vm_id="vm-1",
        name="web",
        architecture="x86_64",
        cores=1,
        memory_mib=512,
        firmware=Firmware.BIOS,
        mac_address="52:54:00:00:00:01",
        disk_bytes=1 << 30,
        backing=Backing(path="/x", format=ImageFormat.QCOW2),
        ssh_port=40001,
    ),
    report=VmReport(vm_id="vm-1", state=PowerState.RUNNING, stage=BootStage.BOOT),
)


class Watching:
    def __init__(self) -> None:
        self.window = FakeWindow()
        self.clock = QuickClock()
        self.records = VmRecords(journal=MemoryVmJournal(), changes=Changes())
        self.records.adopt(RECORD)

    async def run(self, record: MachineRecord = RECORD) -> VmReport:
        watch = BootWatch(record, window=self.window, records=self.records, clock=self.clock)
        await asyncio.wait_for(watch.run(), 10)
        return self.records.get("vm-1").report


@pytest.fixture
def watching() -> Watching:
    return Watching()


async def test_sees_a_guest_arrive(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING + FINISHED
    watching.window.ssh = True
    report = await watching.run()
    assert (report.stage, report.cloud_init) == (BootStage.DONE, CloudInitStatus.DONE)


async def test_stops_looking_once_it_has_arrived(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING + FINISHED
    watching.window.ssh = True
    await watching.run()
    assert watching.window.ssh_tries == 1
    assert watching.clock.monotonic() < 10


async def test_takes_the_agents_word_on_cloud_inits_result(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING
    watching.window.ssh = True
    watching.window.facts = AgentFacts(addresses=("10.0.2.15",), cloud_init_errors=("ntp: no server",))
    report = await watching.run()
    assert report.cloud_init_errors == ("ntp: no server",)
    assert report.ip_addresses == ("10.0.2.15",)
    assert report.stage is BootStage.DONE


async def test_a_guest_with_a_silent_console_is_tried_by_ssh(watching: Watching) -> None:
    watching.window.ssh = True
    report = await watching.run()
    assert (report.stage, report.cloud_init) == (BootStage.DONE, CloudInitStatus.UNKNOWN)
    assert watching.clock.monotonic() > UNHEARD_SECONDS


async def test_a_silent_guest_that_has_reported_is_not_waited_for(watching: Watching) -> None:
    watching.records.adopt(RECORD.with_report(guest=GuestReport(instance_id="i-1")))
    watching.window.ssh = True
    report = await watching.run()
    assert (report.stage, report.cloud_init) == (BootStage.DONE, CloudInitStatus.UNKNOWN)
    assert watching.clock.monotonic() < UNHEARD_SECONDS / 2
    assert report.guest is not None


async def test_the_lines_of_a_failing_module_are_in_its_report(watching: Watching) -> None:
    said = b"cloud-init[1]: the disk is full\nutil.py[WARNING]: Failed running /x/scripts/runcmd [3]\n"
    watching.window.text["vm-1"] = RUNNING + said + FINISHED
    watching.window.ssh = True
    (failure,) = (await watching.run()).failures
    assert "the disk is full" in failure.lines


async def test_gives_up_on_a_guest_that_never_arrives(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING
    report = await watching.run()
    assert (report.stage, report.cloud_init) == (BootStage.CLOUD_INIT, CloudInitStatus.RUNNING)
    assert watching.clock.monotonic() > GIVE_UP_SECONDS


async def test_a_line_without_an_end_does_not_pile_up(watching: Watching) -> None:
    watching.window.text["vm-1"] = b"x" * 100_000 + b"\n" + RUNNING + FINISHED
    watching.window.ssh = True
    assert (await watching.run()).stage is BootStage.DONE


async def test_goes_on_where_an_earlier_daemon_was(watching: Watching) -> None:
    report = VmReport(vm_id="vm-1", state=PowerState.RUNNING, stage=BootStage.SSH)
    watching.records.adopt(RECORD.evolve(report=report))
    seen: list[BootStage] = []
    watching.window.text["vm-1"] = RUNNING + FINISHED
    watch = BootWatch(
        RECORD.evolve(report=report), window=watching.window, records=watching.records, clock=watching.clock
    )
    running = asyncio.create_task(watch.run())
    while not running.done():
        seen.append(watching.records.get("vm-1").report.stage)
        await asyncio.sleep(0)
    assert set(seen) <= {BootStage.SSH, BootStage.DONE}


BRIDGED = RECORD.with_machine(ssh_port=0, bridges=("br0",))


async def test_a_guest_on_a_bridge_is_reached_at_its_own_address_and_never_called(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING + FINISHED
    # Whatever answers there.
    watching.window.ssh = True
    watching.window.facts = AgentFacts(addresses=("fd00::5", "192.0.2.7"))
    report = await watching.run(BRIDGED)
    assert (report.stage, report.ssh_host, report.ssh_port) == (BootStage.DONE, "192.0.2.7", 22)
    assert watching.window.ssh_tries == 0


async def test_an_address_on_the_console_is_as_good(watching: Watching) -> None:
    line = b"ci-info: |  eth0  | True |  fd00::7  | 64 | global |\n"
    watching.window.text["vm-1"] = RUNNING + line + FINISHED
    report = await watching.run(BRIDGED)
    assert (report.stage, report.ssh_host, report.ssh_port) == (BootStage.DONE, "fd00::7", 22)


async def test_a_guest_on_a_bridge_without_cloud_init_arrives_in_the_end(watching: Watching) -> None:
    watching.window.facts = AgentFacts(addresses=("192.0.2.7",))
    watching.window.text["vm-1"] = b"ci-info: |  eth0  | True |  192.0.2.7  | 24 |\n"
    report = await watching.run(BRIDGED)
    assert (report.stage, report.cloud_init) == (BootStage.DONE, CloudInitStatus.UNKNOWN)
    assert watching.clock.monotonic() > UNHEARD_SECONDS


async def test_a_guest_on_a_bridge_without_an_address_cannot_be_logged_in_to(watching: Watching) -> None:
    watching.window.text["vm-1"] = RUNNING + FINISHED
    report = await watching.run(BRIDGED)
    assert (report.stage, report.ssh_host, report.ssh_port) == (BootStage.CLOUD_INIT, "", 0)
