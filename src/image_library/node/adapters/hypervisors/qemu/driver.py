"""The qemu driver: starts machines, finds them again, asks them, ends them."""

from __future__ import annotations

import asyncio
import platform
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from image_library.domain.errors import HypervisorFailed, HypervisorMissing, NotImplementedYet, PortTaken
from image_library.domain.machine import Accelerator, Condition, Machine
from image_library.domain.vm_disk import judge_growth
from image_library.node.adapters.hypervisors.host_bridges import HostBridges
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.accelerator import Accelerators
from image_library.node.adapters.hypervisors.qemu.agent import GuestAgent
from image_library.node.adapters.hypervisors.qemu.agent_facts import AgentSilent
from image_library.node.adapters.hypervisors.qemu.arguments import (
    ARCHITECTURES,
    DISK,
    Launch,
    arguments,
    is_secure,
    needs_uefi,
)
from image_library.node.adapters.hypervisors.qemu.equipment import bridges_and_levels, installed
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles, find_uefi
from image_library.node.adapters.hypervisors.qemu.launcher import find_program, greeted, launch, prepare
from image_library.node.adapters.hypervisors.qemu.monitor import Monitor, MonitorLost
from image_library.node.adapters.hypervisors.qemu.ports import free_port
from image_library.node.adapters.hypervisors.qemu.process import VmProcess
from image_library.node.adapters.hypervisors.qemu.processors import judge_processor
from image_library.node.adapters.hypervisors.qemu.taps import taps_for
from image_library.node.adapters.hypervisors.qemu.tpm import find_tpm, tpm_beside, tpm_gone
from image_library.node.adapters.store.disk import translated
from image_library.node.ports.vms import VmFolders

PORT_TRIES = 5
CONNECT_SECONDS = 5.0
# qemu writes back what the guest left in its caches before it quits; a kill comes only after that.
QUIT_SECONDS = 20.0
KILL_SECONDS = 10.0
AGENT_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class QemuSettings:
    # "auto", "kvm" or "tcg".
    accelerator: str = "auto"
    # Guests reach nothing but who comes in through their SSH port.
    isolated: bool = False
    # Where qemu is looked for; None: as PATH says.
    search_path: str | None = None
    # That VMs may be on, by name.
    bridges: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What a machine is made of on this node; paths of programs, None for what it does not have."""

    program: str
    accelerator: Accelerator
    uefi: UefiFiles | None
    tpm: str | None


@dataclass(frozen=True, kw_only=True)
class _Guest:
    """A running VM that we are connected to."""

    process: VmProcess
    monitor: Monitor


class QemuHypervisor:
    """Implements ``ports.vms.Hypervisor``. A VM is changed by one caller at a time, asked by any number."""

    def __init__(self, *, folders: VmFolders, settings: QemuSettings) -> None:
        self._folders = folders
        self._settings = settings
        self._accelerators = Accelerators(settings.accelerator)
        self._bridges = HostBridges(settings.bridges)
        self._guests: dict[str, _Guest] = {}
        self._connecting = asyncio.Lock()

    async def accelerator(self) -> str:
        try:
            program = find_program(platform.machine(), self._settings.search_path)
        except HypervisorMissing:
            return ""
        return (await self._accelerators.choose(platform.machine(), program)).value

    async def capabilities(self) -> tuple[str, ...]:
        has = await asyncio.to_thread(installed, self._settings.search_path)
        return (*has, *await asyncio.to_thread(bridges_and_levels, self._bridges, await self.accelerator()))

    async def has_doors(self) -> bool:
        return True

    async def define(self, machine: Machine) -> None:
        """There is no list: a machine is its folder. What it can never be given is told now."""
        self._bridges.judge(machine)

    async def forget(self, vm_id: str) -> None:
        """As above."""

    async def start(self, machine: Machine, *, avoid_ports: frozenset[int]) -> int:
        if machine.architecture not in ARCHITECTURES:
            raise NotImplementedYet(f"Machines of architecture '{machine.architecture}' cannot be run yet.")
        program = find_program(machine.architecture, self._settings.search_path)
        parts = _Parts(
            program=program,
            accelerator=await self._accelerators.choose(machine.architecture, program),
            uefi=await _firmware(machine),
            tpm=find_tpm(self._settings.search_path) if machine.tpm else None,
        )
        judge_processor(machine, parts.accelerator)
        self._bridges.judge(machine)
        await self._not_running(machine.vm_id)
        if not machine.forwards_ssh:
            await self._start(machine, parts, port=0)
            return 0
        for attempt in range(PORT_TRIES):
            # Between looking and qemu's own binding somebody may be faster: then another one.
            port = await asyncio.to_thread(free_port, 0 if attempt else machine.ssh_port, avoid_ports)
            with suppress(PortTaken):
                await self._start(machine, parts, port=port)
                return port
        raise PortTaken("Every port tried for the VM's SSH was taken.", remedy="Start the VM again.")

    async def _start(self, machine: Machine, parts: _Parts, *, port: int) -> None:
        path = self._folders.path(machine.vm_id)
        try:
            with places.opened(path) as folder:
                await asyncio.to_thread(prepare, folder, parts.uefi)
                serial = await asyncio.to_thread(places.serial_of, machine, folder)
                async with AsyncExitStack() as ours:
                    tpm = await ours.enter_async_context(tpm_beside(parts.tpm, path))
                    taps = await ours.enter_async_context(taps_for(machine))
                    listener = ours.enter_context(places.listening(folder, places.MONITOR))
                    start = Launch(
                        machine=machine,
                        folder=path,
                        accelerator=parts.accelerator,
                        ssh_port=port,
                        monitor=listener.fileno(),
                        uefi=parts.uefi,
                        tpm=tpm,
                        taps=taps,
                        serial=serial,
                        isolated=self._settings.isolated or machine.throw_away,
                    )
                    handed = (listener.fileno(), *(() if tpm is None else (tpm,)), *taps.values())
                    await launch(parts.program, arguments(start), folder=path, inherited=handed)
                # Ours is closed now: if qemu ends, nobody answers any more, and that is noticed.
                self._guests[machine.vm_id] = await _greeted(folder)
        except FileNotFoundError as error:
            raise _folder_gone(machine.vm_id) from error
        except OSError as error:
            raise translated(error, "starting the VM") from error

    async def _not_running(self, vm_id: str) -> None:
        """Two processes must never write one disk; and what is left of the last one is let go."""
        process = self._process(vm_id)
        if process is not None:
            process.close()
            raise HypervisorFailed(
                f"The VM's process {process.pid} is still there.", remedy="End it with a forced stop first."
            )
        await self._let_go(vm_id)

    async def condition(self, vm_id: str) -> Condition:
        guest = await self._guest(vm_id)
        if guest is None:
            return Condition.GONE
        try:
            return await guest.monitor.condition()
        except MonitorLost:
            return await self._after_loss(vm_id, guest)

    async def changed(self, vm_id: str, known: Condition | None) -> Condition:
        while True:
            guest = await self._guest(vm_id)
            if guest is None:
                return Condition.GONE
            with guest.monitor.changes() as changes:
                condition = await self.condition(vm_id)
                if condition is not known:
                    return condition
                await changes.wait()

    async def press_power_button(self, vm_id: str) -> None:
        await self._tell(vm_id, "system_powerdown")

    async def ask_agent_to_shut_down(self, vm_id: str) -> None:
        # One that is not there leaves the guest as it was.
        with suppress(OSError, AgentSilent, TimeoutError):
            async with asyncio.timeout(AGENT_SECONDS):
                with places.opened(self._folders.path(vm_id)) as folder:
                    agent = await GuestAgent.connect(places.connected(folder, places.AGENT))
                try:
                    await agent.shut_down()
                finally:
                    agent.close()

    async def resize_disk(self, vm_id: str, size_bytes: int) -> None:
        guest = await self._guest(vm_id)
        if guest is None:
            raise HypervisorFailed("The VM does not run any more.", remedy="Grow its disk again.")
        try:
            # Told a smaller size, qemu would cut off what is behind it.
            judge_growth(await guest.monitor.disk_size(DISK), size_bytes)
            await guest.monitor.execute("block_resize", {"node-name": DISK, "size": size_bytes})
        except MonitorLost as error:
            raise HypervisorFailed("The VM's process ended, or does not answer.") from error

    async def pause(self, vm_id: str) -> None:
        # It flushes all its disks' caches before it answers.
        await self._tell(vm_id, "stop")
        if await self.condition(vm_id) is not Condition.PAUSED:
            raise HypervisorFailed("The VM does not stand still.", remedy="Look at it, and try again.")

    async def resume(self, vm_id: str) -> None:
        await self._tell(vm_id, "cont")

    async def end(self, vm_id: str) -> None:
        process = self._process(vm_id)
        if process is not None:
            try:
                await self._end(vm_id, process)
            finally:
                process.close()
        await self._let_go(vm_id)
        await tpm_gone(self._folders.path(vm_id))

    async def _end(self, vm_id: str, process: VmProcess) -> None:
        # One that does not answer is killed.
        with suppress(HypervisorFailed):
            await self._tell(vm_id, "quit")
            if await process.ends_within(QUIT_SECONDS):
                return
        process.kill()
        if not await process.ends_within(KILL_SECONDS):
            raise HypervisorFailed(
                f"The VM's process {process.pid} cannot be ended.", remedy="Look into the kernel's log."
            )

    async def detach(self) -> None:
        for vm_id in tuple(self._guests):
            await self._let_go(vm_id)

    async def _tell(self, vm_id: str, command: str) -> None:
        guest = await self._guest(vm_id)
        if guest is not None:
            # One that has just ended needs to be told nothing.
            with suppress(MonitorLost):
                await guest.monitor.execute(command)

    async def monitor(self, vm_id: str) -> Monitor | None:
        """The monitor of a VM that runs, for who looks at it more closely; it stays ours to close.

        Raises:
            HypervisorFailed: its process is there but does not answer.
        """
        guest = await self._guest(vm_id)
        return None if guest is None else guest.monitor

    def _process(self, vm_id: str) -> VmProcess | None:
        try:
            with places.opened(self._folders.path(vm_id)) as folder:
                return VmProcess.find(folder)
        except OSError:
            return None

    async def _guest(self, vm_id: str) -> _Guest | None:
        """The VM if it runs, connected to again if need be.

        Raises:
            HypervisorFailed: its process is there but does not answer.
        """
        guest = self._guests.get(vm_id)
        if guest is not None and guest.monitor.connected:
            return guest
        async with self._connecting:
            guest = self._guests.get(vm_id)
            if guest is not None and guest.monitor.connected:
                return guest
            await self._let_go(vm_id)
            return await self._connect(vm_id)

    async def _connect(self, vm_id: str) -> _Guest | None:
        process = self._process(vm_id)
        if process is None:
            return None
        try:
            with places.opened(self._folders.path(vm_id)) as folder:
                peer = places.connected(folder, places.MONITOR)
            monitor = await Monitor.connect(peer, seconds=CONNECT_SECONDS)
        except (OSError, MonitorLost) as error:
            gone = await process.ends_within(1.0)
            process.close()
            if gone:
                return None
            raise HypervisorFailed(
                f"The VM's process {process.pid} does not answer on its monitor.",
                remedy="End it with a forced stop.",
            ) from error
        self._guests[vm_id] = guest = _Guest(process=process, monitor=monitor)
        return guest

    async def _after_loss(self, vm_id: str, guest: _Guest) -> Condition:
        """Its monitor went silent: it is ending, or so loaded that the answer was late."""
        if await guest.process.ends_within(CONNECT_SECONDS):
            return Condition.GONE
        raise HypervisorFailed("The VM's process does not answer on its monitor.")

    async def _let_go(self, vm_id: str) -> None:
        guest = self._guests.pop(vm_id, None)
        if guest is not None:
            await guest.monitor.close()
            guest.process.close()


async def _firmware(machine: Machine) -> UefiFiles | None:
    if not needs_uefi(machine):
        return None
    secure = is_secure(machine)
    return await asyncio.to_thread(lambda: find_uefi(machine.architecture, secure=secure))


async def _greeted(folder: int) -> _Guest:
    try:
        monitor = await greeted(folder)
    except BaseException:
        # It may be there and silent.
        if (process := VmProcess.find(folder)) is not None:
            process.kill()
            process.close()
        raise
    if (process := VmProcess.find(folder)) is None:
        await monitor.close()
        raise HypervisorFailed("qemu ended right after its start.")
    return _Guest(process=process, monitor=monitor)


def _folder_gone(vm_id: str) -> HypervisorFailed:
    return HypervisorFailed(f"The folder of VM {vm_id} is gone.", remedy="Delete the VM and create it again.")
