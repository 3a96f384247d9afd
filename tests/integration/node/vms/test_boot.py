"""The genuine Debian image, booted by the services: each stage is seen, and the guest leaves when asked."""

from pathlib import Path

import pytest

from image_library.domain.errors import AgentForbids, CleaningFailed
from image_library.domain.image import ImageFormat
from image_library.domain.vm import BootStage, CloudInitStatus, Datasource, PowerState, VmReport
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtSettings
from tests.integration.node.vms.conftest import StartDaemon
from tests.integration.node.vms.daemon import TCG, Daemon, Driven, image_at, order
from tests.support.libvirtd import Libvirtd

VIRTUAL_SIZE = 751828992
USER_DATA = """#cloud-config
hostname: vm-1
runcmd:
  - "echo the disk of the shop is full; exit 3"
"""


@pytest.mark.boots
@pytest.mark.timeout(400)
@pytest.mark.parametrize("driver", ["qemu", "libvirt"])
async def test_a_real_guest_is_seen_arriving_and_leaving(
    start_daemon: StartDaemon, debian_image: Path, driver: str, request: pytest.FixtureRequest
) -> None:
    """By qemu without a disk of documents, by libvirt with one."""
    settings: Driven = TCG
    if driver == "libvirt":
        libvirtd: Libvirtd = request.getfixturevalue("libvirtd")
        settings = LibvirtSettings(uri=libvirtd.uri, accelerator="tcg", isolated=True)
    image = image_at(debian_image, ImageFormat.QCOW2, VIRTUAL_SIZE)
    daemon = await start_daemon(image=image, settings=settings)
    source = Datasource.NOCLOUD_SMBIOS if driver == "qemu" else Datasource.NOCLOUD
    await daemon.vms.create(
        order(memory_mib=512, cores=2, user_data=USER_DATA, phone_home=True, datasource=source)
    )
    await daemon.vms.start("vm-1")
    network = await daemon.until_stage("vm-1", BootStage.NETWORK, seconds=200)
    assert network.cloud_init is CloudInitStatus.RUNNING
    done = await daemon.until_stage("vm-1", BootStage.DONE, seconds=200)
    assert "10.0.2.15" in done.ip_addresses
    assert done.cloud_init is CloudInitStatus.ERROR
    assert [error.split(":")[0] for error in done.cloud_init_errors] == ["scripts-user"]
    assert [failure.module for failure in done.failures] == ["scripts-user"], done.failures
    (failure,) = done.failures
    # The command's own words from the console, cloud-init's from its log, through the agent.
    assert "the disk of the shop is full" in failure.lines, failure
    assert any("RuntimeError" in line for line in failure.lines), failure
    assert await daemon.window.ssh_answers(done.ssh_port)
    _reported_home(done)
    if driver == "qemu":
        await daemon.until_console("vm-1", b"[seed=dmi,http://10.0.2.100/", seconds=5)
        assert not (daemon.data / "vms/vm-1/seed.json").exists()
    await _frozen_and_thawed(daemon)
    await daemon.vms.stop("vm-1", seconds=60)
    assert daemon.vms.status("vm-1").state is PowerState.STOPPED
    assert b"Power down" in await daemon.until_console("vm-1", b"Power down", seconds=5)


async def _frozen_and_thawed(daemon: Daemon) -> None:
    """Its agent says so, and runs nothing while it is frozen; a second thaw does no harm."""
    await daemon.agents.freeze("vm-1")
    with pytest.raises(AgentForbids):
        await daemon.agents.run("vm-1", "exit 0")
    await daemon.hypervisor.pause("vm-1")
    await daemon.hypervisor.resume("vm-1")
    for _ in range(2):
        await daemon.agents.thaw("vm-1")
    await daemon.agents.run("vm-1", "echo $$ > /var/tmp/written && sync")
    with pytest.raises(CleaningFailed, match="ended with 3"):
        await daemon.agents.run("vm-1", "test -s /var/tmp/written && exit 3")


def _reported_home(done: VmReport) -> None:
    """cloud-init itself posts to the door. That its keys are those of its SSH server, tests/e2e shows."""
    guest = done.guest
    assert guest is not None
    assert (guest.instance_id, guest.hostname) == ("i-vm-1", "vm-1")
    assert "ssh-ed25519" in {line.partition(" ")[0] for line in guest.host_keys}
