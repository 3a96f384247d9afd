"""The driver that runs this node's VMs, as its settings have it."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.guest_door import Doorway, Doorways
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor, LibvirtSettings
from image_library.node.adapters.hypervisors.libvirt.screens import LibvirtScreens
from image_library.node.adapters.hypervisors.libvirt.window import LibvirtWindow, libvirt_line
from image_library.node.adapters.hypervisors.qemu.agent_work import AgentWork, socket_line
from image_library.node.adapters.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from image_library.node.adapters.hypervisors.qemu.screens import QemuScreens
from image_library.node.adapters.hypervisors.qemu.window import QemuWindow
from image_library.node.ports.vms import (
    GuestAgents,
    GuestScreens,
    GuestWindow,
    Hypervisor,
    VmFolders,
)
from image_library.node.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Driver:
    hypervisor: Hypervisor
    window: GuestWindow
    screens: GuestScreens
    agents: GuestAgents


def driver_of(settings: Settings, folders: VmFolders) -> Driver:
    """Nothing is started or connected to yet."""
    accelerator, bridges = settings.accelerator, settings.bridges
    if settings.hypervisor == "libvirt":
        given = LibvirtSettings(uri=settings.libvirt_uri, accelerator=accelerator, bridges=bridges)
        return libvirt_driver(given, folders)
    return qemu_driver(QemuSettings(accelerator=accelerator, bridges=bridges), folders)


def libvirt_driver(settings: LibvirtSettings, folders: VmFolders) -> Driver:
    hypervisor = LibvirtHypervisor(folders=folders, settings=settings)
    window = LibvirtWindow(folders, hypervisor.session)
    return Driver(
        hypervisor=hypervisor,
        window=window,
        screens=LibvirtScreens(hypervisor),
        agents=AgentWork(libvirt_line(hypervisor.session)),
    )


def qemu_driver(settings: QemuSettings, folders: VmFolders) -> Driver:
    hypervisor = QemuHypervisor(folders=folders, settings=settings)
    return Driver(
        hypervisor=hypervisor,
        window=QemuWindow(folders),
        screens=QemuScreens(hypervisor),
        agents=AgentWork(socket_line(folders)),
    )


async def doorways_of(settings: Settings, hypervisor: Hypervisor) -> Doorways:
    """The ways to their doors that guests of this node have."""
    operator = Doorway(url=settings.guest_url) if settings.guest_url else None
    return Doorways(direct=await hypervisor.has_doors(), operator=operator)
