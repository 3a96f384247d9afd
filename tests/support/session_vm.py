"""A VM on libvirt's session daemon, as a user who is not root: run it as one, with XDG's folders of its own.

    python -m tests.support.session_vm FOLDER

Prints one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from image_library.domain.machine import Condition
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtSettings
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.hypervisors import Driver, libvirt_driver
from tests.integration.node.hypervisors.rig import Rig
from tests.integration.node.vms.guests import idle_guest

SECONDS = 90.0


def session_driver(folders: VmFolderTree) -> Driver:
    return libvirt_driver(LibvirtSettings(uri="qemu:///session", accelerator="tcg", isolated=True), folders)


async def run(folder: Path) -> dict[str, object]:
    folders = VmFolderTree.open(folder / "vms")
    rig = Rig(folders=folders, make=session_driver, pid_of=lambda _: 0, driver=session_driver(folders))
    machine = await rig.machine(idle_guest(folder / "idle.raw", "hello\r\n"))
    port = await rig.hypervisor.start(machine, avoid_ports=frozenset())
    while b"hello" not in await rig.window.console("vm-1", 0):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    running = await rig.hypervisor.condition("vm-1") is Condition.RUNNING
    await rig.hypervisor.end("vm-1")
    await rig.hypervisor.forget("vm-1")
    gone = await rig.hypervisor.condition("vm-1") is Condition.GONE
    await rig.hypervisor.detach()
    folders.close()
    return {"user": os.geteuid(), "port": port, "running": running, "gone": gone}


async def once_up(socket: Path, folder: Path) -> dict[str, object]:
    async with asyncio.timeout(SECONDS):
        while not socket.exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.05)
        return await run(folder)


def main(folder: Path) -> None:
    program = shutil.which("libvirtd", path="/usr/sbin:/usr/bin") or "libvirtd"
    with (folder / "daemon.log").open("wb") as said:
        # By hand, so that it ends with this.
        daemon = subprocess.Popen([program], stdout=said, stderr=said)
    try:
        socket = Path(os.environ["XDG_RUNTIME_DIR"]) / "libvirt/libvirt-sock"
        told = asyncio.run(once_up(socket, folder))
    finally:
        daemon.terminate()
        daemon.wait()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
