"""VMs in the node's journal, each as one JSON record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from image_library.domain.guest_door import DoorLock
from image_library.domain.guest_hardware import Devices
from image_library.domain.guest_report import GuestReport, ModuleFailure
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.processors import CpuModel
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, VmReport
from image_library.node.adapters.journal import JournalDatabase

Json = dict[str, Any]


class JournaledVms:
    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def all(self) -> tuple[MachineRecord, ...]:
        query = "SELECT record FROM vms ORDER BY vm_id"
        rows = await self._journal.run(lambda c: c.execute(query).fetchall())
        return tuple(load_record(row["record"]) for row in rows)

    async def save(self, record: MachineRecord) -> None:
        statement = """
            INSERT INTO vms (vm_id, record) VALUES (?, ?)
            ON CONFLICT (vm_id) DO UPDATE SET record = excluded.record
        """
        values = (record.machine.vm_id, dump_record(record))
        await self._journal.run(lambda c: c.execute(statement, values))

    async def remove(self, vm_id: str) -> None:
        await self._journal.run(lambda c: c.execute("DELETE FROM vms WHERE vm_id = ?", (vm_id,)))


def dump_record(record: MachineRecord) -> str:
    machine, report = record.machine, record.report
    drivers = _backing(machine.drivers) if machine.drivers else None
    parts: Json = {"backing": _backing(machine.backing), "drivers": drivers}
    raw: Json = {
        **vars(record),
        "lock": vars(record.lock),
        "machine": {**vars(machine), "firmware": machine.firmware.value, **parts},
        "report": {
            **vars(report),
            "state": report.state.value,
            "stage": report.stage.value,
            "cloud_init": report.cloud_init.value,
            "started_at": _text_of(report.started_at),
            "failures": [vars(failure) for failure in report.failures],
            "guest": _guest_out(report.guest),
        },
    }
    return json.dumps(raw)


def _backing(backing: Backing) -> Json:
    return {**vars(backing), "format": backing.format.value}


def load_record(text: str) -> MachineRecord:
    raw: Json = json.loads(text)
    changed: Json = {
        "machine": _machine(raw["machine"]),
        "report": _report(raw["report"]),
        # Records of older versions have none.
        "lock": DoorLock(**raw.get("lock", {})),
    }
    return MachineRecord(**{**raw, **changed})


def _machine(raw: Json) -> Machine:
    changed: Json = {
        "firmware": Firmware(raw["firmware"]),
        "backing": _backing_from(raw["backing"]),
        # Records of older versions have none of these.
        "more_mac_addresses": tuple(raw.get("more_mac_addresses", ())),
        "bridges": tuple(raw.get("bridges", ())),
        "devices": Devices(raw.get("devices", Devices.VIRTIO)),
        "cpu_model": CpuModel(raw.get("cpu_model", CpuModel.USUAL)),
        "drivers": _backing_from(raw["drivers"]) if raw.get("drivers") else None,
    }
    return Machine(**{**raw, **changed})


def _backing_from(raw: Json) -> Backing:
    return Backing(path=raw["path"], format=ImageFormat(raw["format"]), digest=raw["digest"])


def _report(raw: Json) -> VmReport:
    failures: list[Json] = raw.get("failures", [])
    changed: Json = {
        "state": PowerState(raw["state"]),
        "stage": BootStage(raw["stage"]),
        "cloud_init": CloudInitStatus(raw["cloud_init"]),
        "started_at": _time_of(raw["started_at"]),
        "ip_addresses": tuple(raw["ip_addresses"]),
        "cloud_init_errors": tuple(raw["cloud_init_errors"]),
        "failures": tuple(ModuleFailure(module=f["module"], lines=tuple(f["lines"])) for f in failures),
        "guest": _guest_in(raw.get("guest")),
    }
    return VmReport(**{**raw, **changed})


def _guest_out(guest: GuestReport | None) -> Json | None:
    return {**vars(guest), "reported_at": _text_of(guest.reported_at)} if guest else None


def _guest_in(raw: Json | None) -> GuestReport | None:
    if raw is None:
        return None
    changed: Json = {"host_keys": tuple(raw["host_keys"]), "reported_at": _time_of(raw["reported_at"])}
    return GuestReport(**{**raw, **changed})


def _text_of(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
