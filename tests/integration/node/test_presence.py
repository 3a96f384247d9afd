"""A node makes itself known, stays known, and says what it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.changes import Changes
from image_library.domain.node import InventoryMark, Registration
from image_library.domain.vm import PowerState, VmReport
from image_library.node.adapters.clock import SystemClock
from image_library.node.services.presence import INVENTORY, VMS, Presence
from tests.fakes.node_control_plane import FakeControlPlane, FakeVmReports
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import Workbench, workbench

HOUR = 3600.0


class QuickClock(SystemClock):
    """Waits for a control plane that is away are short; heartbeats keep their pace."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01 if seconds <= 10 else seconds)


@dataclass(frozen=True)
class Scene:
    bench: Workbench
    control_plane: FakeControlPlane
    vms: FakeVmReports
    changes: Changes
    presence: Presence


@asynccontextmanager
async def presence(data: Path, control_plane: FakeControlPlane) -> AsyncGenerator[Scene]:
    changes, vms = Changes(), FakeVmReports(VmReport(vm_id="vm-1", state=PowerState.RUNNING))
    async with workbench(data) as bench:
        registration = Registration(
            node_id=bench.node_id,
            hostname="node",
            agent_endpoint="127.0.0.1:1",
            store_id=bench.store.store_id,
        )
        present = Presence(
            registration=registration,
            control_plane=control_plane,
            scan=bench.scan,
            store=bench.store,
            vms=vms,
            changes=changes,
            clock=QuickClock(),
            degraded=lambda: bench.health.degraded,
            scrub=lambda: None,
            interval=HOUR,
        )
        running = asyncio.create_task(present.run())
        try:
            yield Scene(bench, control_plane, vms, changes, present)
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_registers_reports_all_its_images_and_beats(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    folder = tmp_path / "data" / "cloud-images"
    folder.mkdir(parents=True)
    (folder / "debian-12.qcow2").write_bytes(Qcow2().file())
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        (inventory,) = control_plane.inventories
        assert inventory.complete
        assert inventory.store_id == scene.bench.store.store_id
        assert [image.filename for image in inventory.images] == ["debian-12.qcow2"]
        (beat,) = control_plane.beats
        assert beat.running_vm_count == 1
        assert beat.vms_complete
        assert 0 < beat.disk_used_bytes < beat.disk_total_bytes
        assert scene.presence.established.is_set()


async def test_waits_for_a_control_plane_that_is_away(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    control_plane.away = True
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: control_plane.refused >= 3)
        assert not scene.presence.established.is_set()
        control_plane.away = False
        await scene.presence.established.wait()
        assert len(control_plane.registrations) == 1


async def test_registers_again_when_it_was_forgotten(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=5.0)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: bool(control_plane.beats))
        control_plane.registrations.clear()
        await control_plane.until(lambda: len(control_plane.inventories) == 2)
        assert len(control_plane.registrations) == 1


async def test_a_vms_change_is_told_at_once(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        scene.vms.all = (VmReport(vm_id="vm-1", state=PowerState.STOPPED),)
        scene.changes.notify(VMS)
        await control_plane.until(lambda: len(control_plane.beats) == 2)
        assert control_plane.beats[-1].running_vm_count == 0
        assert len(control_plane.inventories) == 1


async def test_a_changed_inventory_is_told_at_once(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        scene.changes.notify(INVENTORY)
        await control_plane.until(lambda: len(control_plane.inventories) == 2)


async def test_goes_on_beating_through_a_partition(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=5.0)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: bool(control_plane.beats))
        control_plane.away = True
        await control_plane.until(lambda: control_plane.refused >= 2)
        control_plane.away = False
        beats = len(control_plane.beats)
        await control_plane.until(lambda: len(control_plane.beats) > beats)
        assert len(control_plane.registrations) == 1


async def test_a_store_that_is_away_is_not_reported_empty(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        scene.bench.layout.blobs_store_id.unlink()
        scene.changes.notify(INVENTORY)
        await control_plane.until(lambda: len(control_plane.beats) == 2)
        assert len(control_plane.inventories) == 1


async def test_trouble_with_the_store_is_told_and_everything_once_it_is_over(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=5.0)
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        assert control_plane.beats[-1].error_message == ""
        marker = scene.bench.layout.folder_store_id
        kept = marker.read_text()
        marker.unlink()
        await control_plane.until(lambda: bool(control_plane.beats[-1].error_message))
        assert str(marker.parent) in control_plane.beats[-1].error_message
        assert "--accept-store" in control_plane.beats[-1].error_message
        said = len(control_plane.inventories)
        marker.write_text(kept)
        await control_plane.until(lambda: not control_plane.beats[-1].error_message)
        assert len(control_plane.inventories) == said + 1


async def test_a_folder_that_is_gone_is_not_reported_empty(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=5.0)
    async with presence(tmp_path / "data", control_plane) as scene:
        await control_plane.until(lambda: bool(control_plane.beats))
        scene.bench.layout.cloud_images.rename(tmp_path / "elsewhere")
        await control_plane.until(lambda: bool(control_plane.beats[-1].error_message))
        scene.bench.layout.cloud_images.mkdir()
        beats = len(control_plane.beats)
        await control_plane.until(lambda: len(control_plane.beats) > beats + 2)
        assert control_plane.beats[-1].error_message
        assert len(control_plane.inventories) == 1


async def test_reports_what_it_has_when_it_is_asked_and_after_a_partition(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=5.0)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: bool(control_plane.beats))
        control_plane.inventory_wanted = True
        await control_plane.until(lambda: len(control_plane.inventories) == 2)
        control_plane.away = True
        await control_plane.until(lambda: control_plane.refused >= 2)
        control_plane.away = False
        await control_plane.until(lambda: len(control_plane.inventories) == 3)
        numbers = [(said.epoch, said.sequence) for said in control_plane.inventories]
        assert len({epoch for epoch, _ in numbers}) == 1
        assert numbers == sorted(set(numbers))


async def test_a_restored_journal_begins_another_epoch(tmp_path: Path) -> None:
    control_plane = FakeControlPlane(interval=HOUR)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: bool(control_plane.beats))
    first = control_plane.inventories[-1]
    # The control plane has heard more of it than the journal knows to have said.
    control_plane.mark = InventoryMark(epoch=first.epoch, sequence=first.sequence + 5)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: len(control_plane.beats) == 2)
    second = control_plane.inventories[-1]
    assert second.epoch != first.epoch
    control_plane.mark = InventoryMark(epoch=second.epoch, sequence=second.sequence)
    async with presence(tmp_path / "data", control_plane):
        await control_plane.until(lambda: len(control_plane.beats) == 3)
    third = control_plane.inventories[-1]
    assert third.epoch == second.epoch
    assert third.sequence > second.sequence
