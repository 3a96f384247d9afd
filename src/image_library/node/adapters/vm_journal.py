"""VMs in the node's journal, each as one JSON record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from image_library.domain.guest_hardware import Devices
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
        "machine": {**vars(machine), "firmware": machine.firmware.value, **parts},
        "report": {
            **vars(report),
            "state": report.state.value,
            "stage": report.stage.value,
            "cloud_init": report.cloud_init.value,
            "started_at": report.started_at.isoformat() if report.started_at else None,
        },
    }
    return json.dumps(raw)


def _backing(backing: Backing) -> Json:
    return {**vars(backing), "format": backing.format.value}


def load_record(text: str) -> MachineRecord:
    raw: Json = json.loads(text)
    changed: Json = {"machine": _machine(raw["machine"]), "report": _report(raw["report"])}
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
    started: str | None = raw["started_at"]
    changed: Json = {
        "state": PowerState(raw["state"]),
        "stage": BootStage(raw["stage"]),
        "cloud_init": CloudInitStatus(raw["cloud_init"]),
        "started_at": datetime.fromisoformat(started) if started else None,
        "ip_addresses": tuple(raw["ip_addresses"]),
        "cloud_init_errors": tuple(raw["cloud_init_errors"]),
    }
    return VmReport(**{**raw, **changed})
