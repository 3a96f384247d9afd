from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from image_library.node.adapters.vm_folders import VmFolderTree
from tests.integration.node.hypervisors.rig import Rig, libvirt_driver, qemu_driver
from tests.support.libvirtd import Libvirtd


@pytest.fixture(params=["qemu", "libvirt"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Each driver in turn, over the test's own folder."""
    folders = VmFolderTree.open(tmp_path / "vms")
    if request.param == "libvirt":
        daemon: Libvirtd = request.getfixturevalue("libvirtd")
        make, pid_of = libvirt_driver(daemon), daemon.pid_of
    else:
        make, pid_of = qemu_driver, partial(_qemu_pid, tmp_path / "vms")
    made = Rig(folders=folders, make=make, pid_of=pid_of, driver=make(folders))
    yield made
    for vm_id in await folders.listed():
        await made.hypervisor.end(vm_id)
        await made.hypervisor.forget(vm_id)
    await made.hypervisor.detach()
    folders.close()


def _qemu_pid(vms: Path, vm_id: str) -> int:
    return int((vms / vm_id / "qemu.pid").read_text())
