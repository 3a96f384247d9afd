"""The driver that runs this node's VMs, as its settings have it."""

from __future__ import annotations

from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor, LibvirtSettings
from image_library.node.adapters.hypervisors.libvirt.window import LibvirtWindow
from image_library.node.adapters.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.adapters.hypervisors.qemu.window import QemuWindow
from image_library.node.ports.vms import GuestDoors, GuestWindow, Hypervisor, VmFolders
from image_library.node.settings import Settings


def hypervisor_of(settings: Settings, folders: VmFolders) -> tuple[Hypervisor, GuestWindow]:
    """Nothing is started or connected to yet."""
    accelerator, bridges = settings.accelerator, settings.bridges
    if settings.hypervisor == "libvirt":
        given = LibvirtSettings(uri=settings.libvirt_uri, accelerator=accelerator, bridges=bridges)
        libvirt = LibvirtHypervisor(folders=folders, settings=given)
        return libvirt, LibvirtWindow(folders, libvirt.session)
    qemu = QemuSettings(accelerator=accelerator, bridges=bridges)
    return QemuHypervisor(folders=folders, settings=qemu), QemuWindow(folders)


def doors_of(settings: Settings, folders: VmFolders) -> GuestDoors | None:
    """Where guests report to; None for libvirt, whose confinement of QEMU knows no such socket."""
    return None if settings.hypervisor == "libvirt" else QemuDoors(folders)
