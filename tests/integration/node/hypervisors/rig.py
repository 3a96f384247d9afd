"""A hypervisor over real folders, disks and seeds: what the contract's tests see of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from image_library.domain.image import ImageFormat
from image_library.domain.machine import OVERLAY_DISK, Backing, Firmware, Machine, mac_for
from image_library.domain.vm import SeedDocuments
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor, LibvirtSettings
from image_library.node.adapters.hypervisors.libvirt.window import LibvirtWindow
from image_library.node.adapters.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from image_library.node.adapters.hypervisors.qemu.window import QemuWindow
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.qemu_img import QemuImg
from image_library.node.adapters.seed_iso import SeedIso
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.ports.vms import GuestWindow, Hypervisor
from tests.integration.node.vms.guests import DISK_BYTES
from tests.support.libvirtd import Libvirtd

Driver = tuple[Hypervisor, GuestWindow]


@dataclass(kw_only=True)
class Rig:
    folders: VmFolderTree
    make: Callable[[VmFolderTree], Driver]
    # The process that is a VM.
    pid_of: Callable[[str], int]
    hypervisor: Hypervisor
    window: GuestWindow

    async def restarted(self) -> None:
        """As when the node's daemon is another."""
        await self.hypervisor.detach()
        self.hypervisor, self.window = self.make(self.folders)

    async def machine(
        self,
        image: Path,
        vm_id: str = "vm-1",
        *,
        memory_mib: int = 64,
        size: int = DISK_BYTES,
        **changes: Any,
    ) -> Machine:
        folder = await self.folders.make(vm_id)
        disks = QemuImg(Jail(best_wall()))
        await disks.create_overlay(
            f"{folder}/{OVERLAY_DISK}", backing=str(image), backing_format=ImageFormat.RAW, size_bytes=size
        )
        await SeedIso().write(folder, SeedDocuments(user_data="", meta_data=f"instance-id: {vm_id}\n"))
        machine = Machine(
            vm_id=vm_id,
            name=f"name-of-{vm_id}",
            architecture="x86_64",
            cores=1,
            memory_mib=memory_mib,
            firmware=Firmware.BIOS,
            mac_address=mac_for(vm_id),
            disk_bytes=size,
            backing=Backing(path=str(image), format=ImageFormat.RAW),
        )
        machine = replace(machine, **changes)
        await self.hypervisor.define(machine)
        return machine


def qemu_driver(folders: VmFolderTree, bridges: tuple[str, ...] = ()) -> Driver:
    settings = QemuSettings(accelerator="tcg", isolated=True, bridges=bridges)
    return QemuHypervisor(folders=folders, settings=settings), QemuWindow(folders)


def libvirt_driver(daemon: Libvirtd, bridges: tuple[str, ...] = ()) -> Callable[[VmFolderTree], Driver]:
    def make(folders: VmFolderTree) -> Driver:
        settings = LibvirtSettings(uri=daemon.uri, accelerator="tcg", isolated=True, bridges=bridges)
        hypervisor = LibvirtHypervisor(folders=folders, settings=settings)
        return hypervisor, LibvirtWindow(folders, hypervisor.session)

    return make
