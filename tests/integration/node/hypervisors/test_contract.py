"""What every driver of ``ports.vms.Hypervisor`` does, with real processes and guests of one sector."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.errors import ConvertFailed, DiskShrinks, HypervisorFailed, ProcessorUnfit
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import ImageFormat
from image_library.domain.machine import OVERLAY_DISK, Backing, Condition, Machine
from image_library.domain.processors import CpuModel
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.ports.capturing import DiskFile
from tests.integration.node.hypervisors.rig import Rig
from tests.integration.node.vms.guests import idle_guest, leaving_guest

NONE = frozenset[int]()
SECONDS = 60.0

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def idle(tmp_path: Path) -> Path:
    return idle_guest(tmp_path / "idle.raw", "hello\r\n")


@pytest.fixture
def leaving(tmp_path: Path) -> Path:
    return leaving_guest(tmp_path / "leaving.raw", "bye\r\n")


async def said(rig: Rig, words: bytes) -> None:
    async with asyncio.timeout(SECONDS):
        # A file is looked at as the boot watch does it.
        while words not in await rig.window.console("vm-1", 0):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def becomes(rig: Rig, wanted: Condition, *, known: Condition = Condition.RUNNING) -> None:
    async with asyncio.timeout(SECONDS):
        assert await rig.hypervisor.changed("vm-1", known) is wanted


async def test_a_guest_runs_speaks_and_is_ended(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    assert await rig.hypervisor.condition("vm-1") is Condition.GONE
    port = await rig.hypervisor.start(machine, avoid_ports=NONE)
    assert 0 < port < 65536
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    await said(rig, b"hello")
    waiting = asyncio.ensure_future(becomes(rig, Condition.GONE))
    await rig.hypervisor.end("vm-1")
    await waiting
    await rig.hypervisor.end("vm-1")
    assert await rig.hypervisor.condition("vm-1") is Condition.GONE


async def test_each_start_begins_a_new_console_and_keeps_the_port(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    port = await rig.hypervisor.start(machine, avoid_ports=NONE)
    await said(rig, b"hello")
    await rig.hypervisor.end("vm-1")
    again = await rig.hypervisor.start(_with_port(machine, port), avoid_ports=NONE)
    assert again == port
    await said(rig, b"hello")
    assert await rig.window.console_size("vm-1") == len(b"hello\r\n")


async def test_a_guest_that_switches_itself_off_is_told_from_a_crash(rig: Rig, leaving: Path) -> None:
    await rig.hypervisor.start(await rig.machine(leaving), avoid_ports=NONE)
    await becomes(rig, Condition.SHUT_DOWN)
    await rig.hypervisor.end("vm-1")
    assert await rig.hypervisor.condition("vm-1") is Condition.GONE


async def test_a_killed_process_is_gone(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    os.kill(rig.pid_of("vm-1"), signal.SIGKILL)
    await becomes(rig, Condition.GONE)
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING


async def test_it_goes_on_and_is_found_again_when_the_daemon_is_another(rig: Rig, idle: Path) -> None:
    await rig.hypervisor.start(await rig.machine(idle), avoid_ports=NONE)
    pid = rig.pid_of("vm-1")
    await rig.restarted()
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    assert rig.pid_of("vm-1") == pid
    waiting = asyncio.ensure_future(becomes(rig, Condition.GONE))
    await rig.hypervisor.end("vm-1")
    await waiting


async def test_how_a_guest_went_is_known_when_the_daemon_is_another(rig: Rig, leaving: Path) -> None:
    await rig.hypervisor.start(await rig.machine(leaving), avoid_ports=NONE)
    await becomes(rig, Condition.SHUT_DOWN)
    await rig.restarted()
    assert await rig.hypervisor.condition("vm-1") is Condition.SHUT_DOWN


async def test_one_that_runs_is_not_started_twice(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    with pytest.raises(HypervisorFailed, match=r"still there|runs already"):
        await rig.hypervisor.start(machine, avoid_ports=NONE)
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING


async def test_a_taken_port_is_exchanged(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert await rig.hypervisor.start(_with_port(machine, port), avoid_ports=NONE) != port


async def test_ports_of_others_are_avoided(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    port = await rig.hypervisor.start(machine, avoid_ports=NONE)
    await rig.hypervisor.end("vm-1")
    wanted = _with_port(machine, port)
    assert await rig.hypervisor.start(wanted, avoid_ports=frozenset({port})) != port


async def test_asking_a_guest_that_does_not_listen_or_is_gone_does_no_harm(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    for _ in range(2):
        await rig.hypervisor.press_power_button("vm-1")
        await rig.hypervisor.ask_agent_to_shut_down("vm-1")
        await rig.hypervisor.start(machine, avoid_ports=NONE)
        await rig.hypervisor.press_power_button("vm-1")
        assert await rig.window.agent("vm-1") is None
        await rig.hypervisor.end("vm-1")


async def test_a_disk_grows_below_its_guest_and_never_shrinks(rig: Rig, idle: Path) -> None:
    await rig.hypervisor.start(await rig.machine(idle), avoid_ports=NONE)
    disk = Path(rig.folders.path("vm-1")) / OVERLAY_DISK
    for size in (64 << 20, 64 << 20):
        await rig.hypervisor.resize_disk("vm-1", size)
        assert _size_in_header(disk) == 64 << 20
    with pytest.raises(DiskShrinks):
        await rig.hypervisor.resize_disk("vm-1", 32 << 20)
    assert _size_in_header(disk) == 64 << 20
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    await rig.hypervisor.end("vm-1")
    with pytest.raises(HypervisorFailed, match="does not run"):
        await rig.hypervisor.resize_disk("vm-1", 128 << 20)


async def test_one_that_is_held_still_is_copied_past_its_lock_and_goes_on(
    rig: Rig, idle: Path, tmp_path: Path
) -> None:
    machine = await rig.machine(idle)
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    await said(rig, b"hello")
    held = asyncio.ensure_future(becomes(rig, Condition.PAUSED))
    await rig.hypervisor.pause("vm-1")
    await held
    assert await rig.hypervisor.condition("vm-1") is Condition.PAUSED
    disks = JailedVmDisks(Jail(best_wall()))
    base = DiskFile(path=str(idle), format=ImageFormat.RAW)
    for in_use in (False, True):
        path = f"{rig.folders.path('vm-1')}/{machine.disk}"
        own = DiskFile(path=path, format=ImageFormat.QCOW2, in_use=in_use)
        with opened(tmp_path / "copy") as copy:
            if in_use:
                await disks.copy((own, base), copy, told=lambda share: None)
            else:
                with pytest.raises(ConvertFailed, match="another process"):
                    await disks.copy((own, base), copy, told=lambda share: None)
    assert _begins_alike(tmp_path / "copy", idle)
    for _ in range(2):
        await rig.hypervisor.resume("vm-1")
        assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    await rig.hypervisor.end("vm-1")
    await rig.hypervisor.resume("vm-1")
    with pytest.raises(HypervisorFailed):
        await rig.hypervisor.pause("vm-1")


async def test_one_that_is_held_still_is_let_go_by_the_next_daemon(rig: Rig, idle: Path) -> None:
    await rig.hypervisor.start(await rig.machine(idle), avoid_ports=NONE)
    await rig.hypervisor.pause("vm-1")
    await rig.restarted()
    assert await rig.hypervisor.condition("vm-1") is Condition.PAUSED
    await rig.hypervisor.resume("vm-1")
    assert await rig.hypervisor.condition("vm-1") is Condition.RUNNING


async def test_a_base_that_is_gone_is_told_in_words(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    os.unlink(idle)  # noqa: PTH108
    with pytest.raises(HypervisorFailed, match="No such file"):
        await rig.hypervisor.start(machine, avoid_ports=NONE)
    assert await rig.hypervisor.condition("vm-1") is Condition.GONE


async def test_a_folder_that_is_gone_is_told(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle)
    shutil.rmtree(rig.folders.path("vm-1"))
    with pytest.raises(HypervisorFailed, match="folder"):
        await rig.hypervisor.start(machine, avoid_ports=NONE)


async def test_too_much_memory_is_told(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle, memory_mib=4 << 20)
    with pytest.raises(HypervisorFailed, match="memory"):
        await rig.hypervisor.start(machine, avoid_ports=NONE)


async def test_paths_may_have_any_characters(rig: Rig, tmp_path: Path) -> None:
    odd = tmp_path / "a,b&c <d>\"e' ü"
    odd.mkdir()
    machine = await rig.machine(idle_guest(odd / "idle.raw", "hello\r\n"))
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    await said(rig, b"hello")


async def test_what_nobody_made_is_gone_and_can_be_ended_and_forgotten(rig: Rig) -> None:
    assert await rig.hypervisor.condition("vm-9") is Condition.GONE
    await rig.hypervisor.end("vm-9")
    await rig.hypervisor.forget("vm-9")


async def test_it_tells_how_guests_run_and_what_they_can_be_given(rig: Rig) -> None:
    assert await rig.hypervisor.accelerator() == "tcg"
    assert {"basic", "uefi"} <= set(await rig.hypervisor.capabilities())


@pytest.mark.parametrize("devices", Devices)
async def test_windows_devices_and_its_disc_start_a_guest(
    rig: Rig, idle: Path, tmp_path: Path, devices: Devices
) -> None:
    disc = tmp_path / "drivers.iso"
    disc.write_bytes(bytes(1 << 20))
    drivers = Backing(path=str(disc), format=ImageFormat.RAW)
    machine = await rig.machine(idle, guest_os="windows", devices=devices, drivers=drivers)
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    await said(rig, b"hello")
    assert disc.read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("model", [CpuModel.MAX, CpuModel.V2, CpuModel.V3])
async def test_a_guest_runs_on_each_model_of_processor(rig: Rig, idle: Path, model: CpuModel) -> None:
    await rig.hypervisor.start(await rig.machine(idle, cpu_model=model), avoid_ports=NONE)
    await said(rig, b"hello")


async def test_the_hosts_own_processor_is_not_shown_where_guests_are_translated(rig: Rig, idle: Path) -> None:
    machine = await rig.machine(idle, cpu_model=CpuModel.HOST)
    with pytest.raises(ProcessorUnfit, match="KVM"):
        await rig.hypervisor.start(machine, avoid_ports=NONE)


def _begins_alike(one: Path, other: Path) -> bool:
    return one.read_bytes()[:512] == other.read_bytes()[:512]


@contextmanager
def opened(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _size_in_header(disk: Path) -> int:
    """The virtual size in a qcow2's header, which QEMU holds a lock on. Source: docs/interop/qcow2.txt."""
    return int.from_bytes(disk.read_bytes()[24:32], "big")


def _with_port(machine: Machine, port: int) -> Machine:
    return replace(machine, ssh_port=port)
