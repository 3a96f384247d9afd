import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from image_library.domain.guest_door import DoorLock
from image_library.domain.guest_hardware import Devices
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.processors import CpuModel
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, VmReport
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.vm_journal import JournaledVms, dump_record, load_record

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
RECORD = MachineRecord(
    machine=Machine(
        vm_id="vm-1",
        name="web",
        architecture="x86_64",
        cores=2,
        memory_mib=1024,
        firmware=Firmware.UEFI,
        mac_address="52:54:00:00:00:01",
        disk_bytes=10 << 30,
        backing=Backing(path="/x,y", format=ImageFormat.RAW, digest="sha256:" + "a" * 64),
        ssh_port=40001,
        door=True,
    ),
    report=VmReport(
        vm_id="vm-1",
        name="web",
        state=PowerState.RUNNING,
        stage=BootStage.SSH,
        started_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        ssh_host="127.0.0.1",
        ssh_port=40001,
        ip_addresses=("10.0.2.15",),
        cloud_init=CloudInitStatus.ERROR,
        cloud_init_errors=("ntp: no",),
        error_message="…",
        failures=(ModuleFailure(module="ntp", lines=("no", "server")),),
        guest=GuestReport(
            instance_id="i-1", hostname="web", host_keys=(KEY,), reported_at=datetime(2026, 1, 2, tzinfo=UTC)
        ),
    ),
    stopping=True,
    frozen=True,
    host_boot_id="boot",
    lock=DoorLock(token_digest="a" * 64, report_digest="b" * 64),
)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[JournalDatabase]:
    database = await JournalDatabase.open(tmp_path / "journal.db")
    yield database
    await database.close()


async def test_gives_back_what_was_saved(journal: JournalDatabase) -> None:
    vms = JournaledVms(journal)
    await vms.save(RECORD)
    assert await vms.all() == (RECORD,)


async def test_bridges_and_what_windows_is_given_are_kept(journal: JournalDatabase) -> None:
    vms = JournaledVms(journal)
    record = RECORD.with_machine(
        bridges=("", "br0"),
        more_mac_addresses=("52:54:00:00:00:02",),
        guest_os="windows",
        devices=Devices.EMULATED,
        cpu_model=CpuModel.V2,
        drivers=Backing(path="/drivers.iso", format=ImageFormat.RAW, digest="sha256:" + "d" * 64),
    )
    await vms.save(record)
    assert await vms.all() == (record,)


async def test_a_record_of_an_older_version_is_a_machine_as_it_was_made(journal: JournalDatabase) -> None:
    old = json.loads(dump_record(RECORD))
    for name in ("bridges", "guest_os", "devices", "cpu_model", "drivers"):
        del old["machine"][name]
    statement = "INSERT INTO vms (vm_id, record) VALUES (?, ?)"
    await journal.run(lambda c: c.execute(statement, ("vm-1", json.dumps(old))))
    assert await JournaledVms(journal).all() == (RECORD,)


async def test_saving_again_replaces(journal: JournalDatabase) -> None:
    vms = JournaledVms(journal)
    await vms.save(RECORD)
    stopped = RECORD.with_report(state=PowerState.STOPPED, started_at=None)
    await vms.save(stopped)
    assert await vms.all() == (stopped,)


async def test_removing_forgets_it(journal: JournalDatabase) -> None:
    vms = JournaledVms(journal)
    await vms.save(RECORD)
    await vms.remove("vm-1")
    await vms.remove("vm-1")
    assert await vms.all() == ()


def test_a_record_of_an_older_version_has_neither_door_nor_report() -> None:
    raw = json.loads(dump_record(RECORD))
    for part, name in (
        (raw, "lock"),
        (raw["machine"], "door"),
        (raw["report"], "guest"),
        (raw["report"], "failures"),
    ):
        del part[name]
    old = load_record(json.dumps(raw))
    assert (old.lock, old.machine.door) == (DoorLock(), False)
    assert (old.report.guest, old.report.failures) == (None, ())
