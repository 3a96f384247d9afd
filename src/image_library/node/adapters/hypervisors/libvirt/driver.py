"""The libvirt driver: the same machines as domains, so that virsh and others see them too."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID
from xml.etree import ElementTree as ET

from defusedxml.ElementTree import fromstring

from image_library.domain.capabilities import TPM
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    FirmwareMissing,
    HypervisorFailed,
    HypervisorMissing,
    NotImplementedYet,
    PortTaken,
    TpmMissing,
)
from image_library.domain.machine import Condition, Machine
from image_library.domain.vm_disk import judge_growth
from image_library.node.adapters.hypervisors.host_bridges import HostBridges
from image_library.node.adapters.hypervisors.libvirt import library
from image_library.node.adapters.hypervisors.libvirt.domain_xml import (
    OURS,
    Definition,
    domain_xml,
    uuid_of,
)
from image_library.node.adapters.hypervisors.libvirt.library import Connection, Domain, number_of
from image_library.node.adapters.hypervisors.libvirt.refusals import refusal
from image_library.node.adapters.hypervisors.libvirt.session import LibvirtSession, libvirt_error
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.accelerator import Accelerators
from image_library.node.adapters.hypervisors.qemu.arguments import ARCHITECTURES, is_secure, needs_uefi
from image_library.node.adapters.hypervisors.qemu.equipment import bridges_and_levels, installed
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles, find_uefi
from image_library.node.adapters.hypervisors.qemu.launcher import find_program, prepare
from image_library.node.adapters.hypervisors.qemu.ports import free_port
from image_library.node.adapters.hypervisors.qemu.processors import judge_processor
from image_library.node.adapters.store.disk import translated
from image_library.node.ports.vms import VmFolders

T = TypeVar("T")

PORT_TRIES = 5
# Events come at once; this is for those that a broken connection has lost.
LOOK_SECONDS = 5.0
_CONDITIONS = {
    library.RUNNING: Condition.RUNNING,
    library.BLOCKED: Condition.RUNNING,
    library.SHUTDOWN: Condition.RUNNING,
    library.PAUSED: Condition.PAUSED,
    library.SUSPENDED: Condition.PAUSED,
}
# Who owns a file, and nothing.
UNCONFINED = frozenset({"dac", "none"})
# Bytes of a Unix socket's path.
LONGEST_SOCKET = 107
# How libvirt makes a TPM's state, which the qemu driver leaves to swtpm itself.
TPM_SETUP = "swtpm_setup"


@dataclass(frozen=True, kw_only=True)
class LibvirtSettings:
    uri: str
    # "auto", "kvm" or "tcg".
    accelerator: str = "auto"
    # Guests reach nothing but who comes in through their SSH port.
    isolated: bool = False
    # That VMs may be on, by name.
    bridges: tuple[str, ...] = ()

    @property
    def owner(self) -> tuple[int, int] | None:
        """In a user's own session everything runs as that user anyway."""
        return (os.geteuid(), os.getegid()) if self.uri.partition("?")[0].endswith("/system") else None


class LibvirtHypervisor:
    """Implements ``ports.vms.Hypervisor``. A VM is changed by one caller at a time, asked by any number."""

    def __init__(self, *, folders: VmFolders, settings: LibvirtSettings) -> None:
        self._folders = folders
        self._settings = settings
        self._accelerators = Accelerators(settings.accelerator)
        self._bridges = HostBridges(settings.bridges)
        self._changes = Changes()
        self.session = LibvirtSession(settings.uri, self._changes.notify)
        # Ended by us: libvirt goes on saying how the guest went.
        self._ended: set[str] = set()

    async def accelerator(self) -> str:
        try:
            program = find_program(platform.machine())
            await self.session.run(lambda connection: connection.isAlive())
        except HypervisorMissing:
            return ""
        return (await self._accelerators.choose(platform.machine(), program)).value

    async def capabilities(self) -> tuple[str, ...]:
        there = await asyncio.to_thread(installed)
        has = tuple(word for word in there if word != TPM or shutil.which(TPM_SETUP))
        return (*has, *await asyncio.to_thread(bridges_and_levels, self._bridges, await self.accelerator()))

    async def has_doors(self) -> bool:
        """QEMU that is confined by AppArmor or SELinux may make no socket that libvirt does not know."""
        longest = self._folders.path(str(UUID(int=0)))
        if len(os.fsencode(f"{longest}/{places.DOOR}")) > LONGEST_SOCKET:
            return False
        try:
            told = await self._run(lambda connection: connection.getCapabilities())
        except (HypervisorMissing, HypervisorFailed):
            return False
        return security_models(told) <= UNCONFINED

    async def define(self, machine: Machine) -> None:
        self._bridges.judge(machine)
        # What is missing is told when it is started: until then it may have been installed.
        with suppress(FirmwareMissing, TpmMissing):
            definition = await self._definition(machine, machine.ssh_port)
            await self._run(lambda connection: _defined(connection, definition))

    async def start(self, machine: Machine, *, avoid_ports: frozenset[int]) -> int:
        if await self._is_active(machine.vm_id):
            raise HypervisorFailed("The VM's domain runs already.", remedy="End it with a forced stop first.")
        self._bridges.judge(machine)
        definition = await self._definition(machine, 0)
        judge_processor(machine, definition.accelerator)
        await asyncio.to_thread(self._prepare, machine.vm_id, definition.uefi)
        if not machine.forwards_ssh:
            await self._begin(definition)
            return 0
        for attempt in range(PORT_TRIES):
            # Between looking and qemu's own binding somebody may be faster: then another one.
            port = await asyncio.to_thread(free_port, 0 if attempt else machine.ssh_port, avoid_ports)
            with suppress(PortTaken):
                await self._begin(replace(definition, ssh_port=port))
                return port
        raise PortTaken("Every port tried for the VM's SSH was taken.", remedy="Start the VM again.")

    async def _begin(self, definition: Definition) -> None:
        await self._run(lambda connection: _defined(connection, definition).create())
        self._ended.discard(definition.machine.vm_id)

    async def condition(self, vm_id: str) -> Condition:
        if vm_id in self._ended:
            return Condition.GONE
        return await self._run(lambda connection: _condition(self._find(connection, vm_id)))

    async def changed(self, vm_id: str, known: Condition | None) -> Condition:
        with self._changes.follow(vm_id) as bell:
            while (condition := await self.condition(vm_id)) is known:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), LOOK_SECONDS)
            return condition

    async def press_power_button(self, vm_id: str) -> None:
        def press(connection: Connection) -> None:
            domain = self._find(connection, vm_id)
            # It may end in between.
            with suppress(libvirt_error()):
                if domain is not None:
                    domain.shutdownFlags(library.BY_ACPI)

        await self._run(press)

    async def ask_agent_to_shut_down(self, vm_id: str) -> None:
        def ask(connection: Connection) -> None:
            domain = self._find(connection, vm_id)
            # One that is not there leaves the guest as it was.
            with suppress(libvirt_error()):
                if domain is not None:
                    domain.shutdownFlags(library.BY_AGENT)

        await self._run(ask)

    async def resize_disk(self, vm_id: str, size_bytes: int) -> None:
        def resize(connection: Connection) -> None:
            domain = self._find(connection, vm_id)
            if domain is None or not domain.isActive():
                raise HypervisorFailed("The VM does not run any more.", remedy="Grow its disk again.")
            # Told a smaller size, libvirt would cut off what is behind it.
            disk = _first_disk(domain.XMLDesc(0))
            judge_growth(domain.blockInfo(disk)[0], size_bytes)
            domain.blockResize(disk, size_bytes, library.RESIZE_BYTES)

        await self._run(resize)

    async def pause(self, vm_id: str) -> None:
        # QEMU flushes all its disks' caches before it answers.
        if await self.running(vm_id, lambda _, domain: domain.suspend()) is None:
            raise HypervisorFailed("The VM does not run any more.", remedy="Start it, and try again.")
        if await self.condition(vm_id) is not Condition.PAUSED:
            raise HypervisorFailed("The VM does not stand still.", remedy="Look at it, and try again.")

    async def resume(self, vm_id: str) -> None:
        def resume(_: Connection, domain: Domain) -> None:
            if domain.state()[0] == library.PAUSED:
                domain.resume()

        await self.running(vm_id, resume)

    async def end(self, vm_id: str) -> None:
        def end(connection: Connection) -> None:
            domain = self._find(connection, vm_id)
            if domain is None or not domain.isActive():
                return
            try:
                domain.destroy()
            except libvirt_error() as error:
                if number_of(error) != library.OPERATION_INVALID:
                    raise

        await self._run(end)
        self._ended.add(vm_id)
        self._changes.notify(vm_id)

    async def forget(self, vm_id: str) -> None:
        def undefine(connection: Connection) -> None:
            domain = self._find(connection, vm_id)
            if domain is not None:
                domain.undefineFlags(library.UNDEFINE)

        await self._run(undefine)
        self._ended.discard(vm_id)

    async def detach(self) -> None:
        await self.session.close()

    async def running(self, vm_id: str, work: Callable[[Connection, Domain], T]) -> T | None:
        """Does it with the VM's domain, for who looks at it more closely; None where none of ours runs.

        Raises:
            HypervisorMissing, HypervisorFailed
        """

        def look(connection: Connection) -> T | None:
            domain = self._find(connection, vm_id)
            return work(connection, domain) if domain is not None and domain.isActive() else None

        return await self._run(look)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self.session.run(work)
        except HypervisorMissing:
            raise
        except Exception as error:
            if isinstance(error, libvirt_error()):
                raise refusal(str(error)) from error
            raise

    async def _is_active(self, vm_id: str) -> bool:
        def active(connection: Connection) -> bool:
            domain = self._find(connection, vm_id)
            return domain is not None and bool(domain.isActive())

        return await self._run(active)

    async def _definition(self, machine: Machine, port: int) -> Definition:
        architecture = machine.architecture
        if architecture not in ARCHITECTURES:
            raise NotImplementedYet(f"Machines of architecture '{architecture}' cannot be run yet.")
        program = find_program(architecture)
        if machine.tpm and shutil.which(TPM_SETUP) is None:
            raise TpmMissing(
                "swtpm_setup is not installed on this node.",
                remedy="Install it: apt-get install swtpm swtpm-tools.",
            )
        secure = is_secure(machine)
        uefi = None
        if needs_uefi(machine):
            uefi = await asyncio.to_thread(lambda: find_uefi(architecture, secure=secure))
        return Definition(
            machine=machine,
            folder=self._folders.path(machine.vm_id),
            emulator=program,
            accelerator=await self._accelerators.choose(architecture, program),
            ssh_port=port,
            owner=self._settings.owner,
            uefi=uefi,
            serial=await asyncio.to_thread(self._serial, machine),
            isolated=self._settings.isolated or machine.throw_away,
        )

    def _serial(self, machine: Machine) -> str:
        try:
            with places.opened(self._folders.path(machine.vm_id)) as folder:
                return places.serial_of(machine, folder)
        except FileNotFoundError as error:
            raise _folder_gone(machine.vm_id) from error
        except OSError as error:
            raise translated(error, "reading the VM's serial number") from error

    def _prepare(self, vm_id: str, uefi: UefiFiles | None) -> None:
        try:
            with places.opened(self._folders.path(vm_id)) as folder:
                prepare(folder, uefi)
        except FileNotFoundError as error:
            raise _folder_gone(vm_id) from error
        except OSError as error:
            raise translated(error, "starting the VM") from error

    def _find(self, connection: Connection, vm_id: str) -> Domain | None:
        """The VM's domain; None where there is none, or it is somebody else's."""
        try:
            domain = connection.lookupByUUIDString(uuid_of(vm_id))
            said = domain.metadata(library.METADATA_ELEMENT, OURS, library.AFFECT_CURRENT)
        except libvirt_error() as error:
            if number_of(error) in (library.NO_DOMAIN, library.NO_DOMAIN_METADATA):
                return None
            raise
        return domain if _folder_in(said) == self._folders.path(vm_id) else None


def security_models(capabilities: str) -> set[str | None]:
    """What libvirt keeps its guests apart by: https://libvirt.org/formatcaps.html"""
    return {model.text for model in fromstring(capabilities).iterfind("host/secmodel/model")}


def _folder_gone(vm_id: str) -> HypervisorFailed:
    return HypervisorFailed(f"The folder of VM {vm_id} is gone.", remedy="Delete the VM and create it again.")


def _folder_in(metadata: str) -> str:
    try:
        return fromstring(metadata).get("folder", "")
    except (ET.ParseError, ValueError):
        return ""


def _first_disk(xml: str) -> str:
    """What libvirt calls the disk that the domain boots from."""
    try:
        target = fromstring(xml).find("devices/disk/boot[@order='1']/../target")
    except ET.ParseError:
        target = None
    if target is None:
        raise HypervisorFailed("The VM's domain has no disk that it boots from.")
    return target.get("dev", "")


def _defined(connection: Connection, definition: Definition) -> Domain:
    return connection.defineXML(domain_xml(definition))


def _condition(domain: Domain | None) -> Condition:
    if domain is None:
        return Condition.GONE
    state, reason = domain.state()
    if (state, reason) == (library.PAUSED, library.PAUSED_IO_ERROR):
        return Condition.DISK_FAILED
    if (state, reason) == (library.SHUTOFF, library.SHUTOFF_BY_GUEST):
        return Condition.SHUT_DOWN
    return _CONDITIONS.get(state, Condition.GONE)
