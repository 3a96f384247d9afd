"""VMs through the services, with real qemu and guests of one sector."""

import asyncio
import os
import shutil
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from image_library.domain.errors import HypervisorFailed, HypervisorMissing
from image_library.domain.image import ImageFormat
from image_library.domain.store import PublishedImage
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import TCG, Daemon, image_at, order
from tests.integration.node.vms.guests import DISK_BYTES, idle_guest, leaving_guest


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def content(path: Path) -> bytes:
    return path.read_bytes()


def exists(path: Path) -> bool:
    return path.exists()


async def test_a_guest_runs_and_speaks(daemon: Daemon) -> None:
    assert await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    assert await daemon.until_console("vm-1", b"hello") == b"hello\r\n"
    report = daemon.vms.status("vm-1")
    assert (report.state, report.stage) == (PowerState.RUNNING, BootStage.BOOT)


async def test_a_guest_that_does_not_listen_is_ended_after_its_time(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    pid = daemon.pid("vm-1")
    await daemon.vms.stop("vm-1", seconds=0.3)
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
    assert not is_alive(pid)


async def test_a_killed_process_is_a_crash(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    os.kill(daemon.pid("vm-1"), signal.SIGKILL)
    await daemon.until("vm-1", PowerState.CRASHED)
    await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.RUNNING


async def test_a_guest_that_leaves_has_stopped(start_daemon: StartDaemon, tmp_path: Path) -> None:
    image = image_at(leaving_guest(tmp_path / "leaving.raw", "bye\r\n"), ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    pid = daemon.pid("vm-1")
    await daemon.until("vm-1", PowerState.STOPPED)
    assert not is_alive(pid)
    assert await daemon.until_console("vm-1", b"bye") == b"bye\r\n"


async def test_outlives_the_daemon_and_is_found_again(start_daemon: StartDaemon) -> None:
    first = await start_daemon()
    await first.vms.create(order())
    await first.vms.start("vm-1")
    pid, port = first.pid("vm-1"), first.vms.status("vm-1").ssh_port
    second = await start_daemon()
    assert is_alive(pid)
    report = second.vms.status("vm-1")
    assert (report.state, report.ssh_port) == (PowerState.RUNNING, port)
    os.kill(pid, signal.SIGKILL)
    await second.until("vm-1", PowerState.CRASHED)


async def test_a_crash_that_no_daemon_saw_is_told(start_daemon: StartDaemon) -> None:
    first = await start_daemon()
    await first.vms.create(order())
    await first.vms.start("vm-1")
    pid = first.pid("vm-1")
    await first.vms.close()
    os.kill(pid, signal.SIGKILL)
    second = await start_daemon()
    assert (await second.until("vm-1", PowerState.CRASHED)).error_message


async def test_a_guest_that_left_while_no_daemon_ran_has_stopped(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    image = image_at(leaving_guest(tmp_path / "leaving.raw", "bye\r\n"), ImageFormat.RAW, DISK_BYTES)
    first = await start_daemon(image=image)
    await first.vms.create(order())
    await first.vms.start("vm-1")
    # The BIOS alone takes longer than this.
    await first.vms.close()
    console = tmp_path / "data/vms/vm-1/serial.log"
    async with asyncio.timeout(20):
        # No daemon runs that could tell.
        while b"bye" not in content(console):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    second = await start_daemon(image=image)
    await second.until("vm-1", PowerState.STOPPED)


async def test_a_data_directory_with_a_long_name_works(tmp_path: Path, idle_image: PublishedImage) -> None:
    data = tmp_path / ("long, name " * 15) / ("x" * 100)
    data.mkdir(parents=True)
    daemon = await Daemon.started(data, idle_image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    await daemon.until_console("vm-1", b"hello")
    await daemon.vms.delete("vm-1")
    await daemon.stop()


async def test_a_taken_port_is_exchanged_for_another(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    port = daemon.vms.status("vm-1").ssh_port
    await daemon.vms.force_stop("vm-1")
    with socket.create_server(("127.0.0.1", port)):
        await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").ssh_port != port


async def test_a_free_port_is_kept(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    port = daemon.vms.status("vm-1").ssh_port
    await daemon.vms.force_stop("vm-1")
    await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").ssh_port == port


async def test_deleting_removes_its_own_files_and_nothing_else(
    daemon: Daemon, idle_image: PublishedImage, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    await daemon.vms.create(order("vm-1"))
    await daemon.vms.create(order("vm-2"))
    await daemon.vms.start("vm-1")
    pid = daemon.pid("vm-1")
    (daemon.data / "vms/vm-1/link").symlink_to(victim)
    await daemon.vms.delete("vm-1")
    assert not is_alive(pid)
    assert files_in(daemon.data / "vms") == {"vm-2"}
    assert files_in(daemon.data / "vms/vm-2") == {"disk.qcow2", "seed.iso"}
    assert exists(victim)
    assert exists(Path(idle_image.blob_path))


async def test_qemus_own_refusal_is_told(daemon: Daemon) -> None:
    await daemon.vms.create(order(memory_mib=4 << 20))
    with pytest.raises(HypervisorFailed, match="memory"):
        await daemon.vms.start("vm-1")
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED


async def test_a_base_that_is_gone_is_told(daemon: Daemon, idle_image: PublishedImage) -> None:
    await daemon.vms.create(order())
    os.unlink(idle_image.blob_path)  # noqa: PTH108
    with pytest.raises(HypervisorFailed, match="No such file"):
        await daemon.vms.start("vm-1")


async def test_a_folder_that_is_gone_is_told(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    shutil.rmtree(daemon.data / "vms/vm-1")
    with pytest.raises(HypervisorFailed, match="folder"):
        await daemon.vms.start("vm-1")


async def test_a_missing_qemu_names_the_package(start_daemon: StartDaemon, tmp_path: Path) -> None:
    # Only the program for images is there.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qemu-img").symlink_to(shutil.which("qemu-img") or "")
    daemon = await start_daemon(settings=replace(TCG, search_path=str(programs)))
    await daemon.vms.create(order())
    with pytest.raises(HypervisorMissing, match="qemu-system-x86_64 is not installed"):
        await daemon.vms.start("vm-1")
    assert await daemon.hypervisor.accelerator() == ""


async def test_a_missing_disk_program_leaves_nothing(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = await start_daemon(settings=replace(TCG, search_path=str(tmp_path / "nowhere")))
    with pytest.raises(HypervisorMissing):
        await daemon.vms.create(order())
    assert files_in(daemon.data / "vms") == set()
    assert daemon.vms.reports() == ()


async def test_two_processes_never_write_one_disk(daemon: Daemon) -> None:
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    machine = (await daemon.journaled())[0].machine
    with pytest.raises(HypervisorFailed, match="still there"):
        await daemon.hypervisor.start(machine, avoid_ports=frozenset())


async def test_what_a_killed_daemon_left_half_made_is_cleaned_away(start_daemon: StartDaemon) -> None:
    first = await start_daemon()
    half = first.data / "vms/half"
    half.mkdir()
    (half / "disk.qcow2").write_bytes(b"half")
    second = await start_daemon()
    assert files_in(second.data / "vms") == set()


async def test_another_process_with_the_old_number_is_left_alone(start_daemon: StartDaemon) -> None:
    first = await start_daemon()
    await first.vms.create(order())
    await first.vms.start("vm-1")
    os.kill(first.pid("vm-1"), signal.SIGKILL)
    await first.until("vm-1", PowerState.CRASHED)
    bystander = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        (first.data / "vms/vm-1/qemu.pid").write_text(f"{bystander.pid}\n")
        await first.vms.delete("vm-1")
        assert bystander.returncode is None
        assert is_alive(bystander.pid)
    finally:
        bystander.kill()
        await bystander.wait()


async def test_the_stages_of_cloud_init_are_read_from_a_real_console(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    text = (
        "Cloud-init v. 23.4 running 'modules:final' at x\r\n"
        "Running module ntp (<x>) failed\r\n"
        "Cloud-init v. 23.4 finished at x. Datasource DataSourceNoCloud [x]\r\n"
    )
    image = image_at(idle_guest(tmp_path / "talks.raw", text), ImageFormat.RAW, DISK_BYTES)
    daemon = await start_daemon(image=image)
    await daemon.vms.create(order())
    await daemon.vms.start("vm-1")
    report = await daemon.until_stage("vm-1", BootStage.CLOUD_INIT)
    assert report.cloud_init is CloudInitStatus.ERROR
    assert report.cloud_init_errors == ("ntp: the module failed",)


async def test_secrets_are_not_in_the_process_list(daemon: Daemon) -> None:
    await daemon.vms.create(order(user_data="#cloud-config\npassword: canary\n"))
    await daemon.vms.start("vm-1")
    for name in ("cmdline", "environ"):
        said = content(Path(f"/proc/{daemon.pid('vm-1')}/{name}"))
        assert said
        assert b"canary" not in said


def test_works_in_the_loop_that_the_programs_run_in(tmp_path: Path, idle_image: PublishedImage) -> None:
    async def life() -> None:
        daemon = await Daemon.started(tmp_path, idle_image)
        await daemon.vms.create(order())
        await daemon.vms.start("vm-1")
        await daemon.until_console("vm-1", b"hello")
        os.kill(daemon.pid("vm-1"), signal.SIGKILL)
        await daemon.until("vm-1", PowerState.CRASHED)
        await daemon.vms.start("vm-1")
        await daemon.vms.stop("vm-1", seconds=0.1)
        await daemon.vms.delete("vm-1")
        await daemon.stop()

    # uvloop differs from asyncio's own just where processes are started and watched.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life())
