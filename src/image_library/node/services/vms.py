"""A node's VMs: made, started, stopped, deleted, watched; and after a restart of the daemon found again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog

from image_library.domain.errors import LibraryError, StorageFull, VmNotRunning
from image_library.domain.machine import MachineOrder, MachineRecord, valid_vm_id
from image_library.domain.vm import BootStage, PowerState, VmReport
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import Hypervisor, PublishedImages, VmFolders
from image_library.node.services.disk_tasks import DiskTasks, refuse_frozen
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.provision_vm import ProvisionVm
from image_library.node.services.vm_lives import ALIVE, OPEN, VmLives
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 60.0
# A guest that is still coming up loses the first presses of its power button.
PRESS_SECONDS = 5.0


class Vms:
    """Everything that is done with VMs goes through here. Call ``recover`` first, ``close`` last."""

    def __init__(
        self,
        *,
        records: VmRecords,
        lives: VmLives,
        provision: ProvisionVm,
        keeper: DoorKeeper,
        folders: VmFolders,
        hypervisor: Hypervisor,
        images: PublishedImages,
        tasks: DiskTasks,
        clock: Clock,
    ) -> None:
        self._records = records
        self._lives = lives
        self._provision = provision
        self._keeper = keeper
        self._folders = folders
        self._hypervisor = hypervisor
        self._images = images
        self._tasks = tasks
        self._clock = clock

    async def recover(self) -> None:
        """Removes what dead attempts left, and finds out how every VM fares that the journal knows."""
        known = {record.machine.vm_id for record in await self._records.load()}
        for record in self._records.all():
            if record.machine.throw_away:
                log.warning("vm_leftover_removed", vm_id=record.machine.vm_id)
                await self._delete(record.machine.vm_id)
        for vm_id in await self._folders.listed():
            if vm_id not in known:
                log.warning("vm_leftover_removed", vm_id=vm_id)
                await self._hypervisor.end(vm_id)
                await self._hypervisor.forget(vm_id)
                await self._folders.remove(vm_id)
        await self._keeper.recover()
        await self._tasks.recover()
        await asyncio.gather(*(self._lives.find_again(record) for record in self._records.all()))

    async def close(self) -> None:
        """Stops watching. The VMs go on."""
        await self._tasks.close()
        await self._lives.close()
        await self._hypervisor.detach()

    async def create(self, order: MachineOrder) -> bool:
        """Makes the VM and does not start it; False where it is there already. See ``ProvisionVm.make``."""
        valid_vm_id(order.vm_id)
        return await self._lives.to_the_end(self._create(order))

    async def _create(self, order: MachineOrder) -> bool:
        async with self._lives.lock(order.vm_id):
            if self._records.find(order.vm_id) is not None:
                return False
            self._records.adopt(await self._provision.make(order))
            return True

    async def start(self, vm_id: str) -> None:
        """Starts it and begins to watch it boot; one that runs is left as it is.

        Raises:
            UnknownVm, VmBusy, HypervisorMissing, FirmwareMissing, HypervisorFailed.
            ImageNotReady, ImageFileMissing, ImageChanged, ImageDamaged: its disk's base is not whole.
        """
        self._tasks.refuse_busy(self._records.get(vm_id))
        await self._lives.to_the_end(self._start(vm_id))

    async def _start(self, vm_id: str) -> None:
        async with self._lives.lock(vm_id):
            record = self._records.get(vm_id)
            if record.report.state in ALIVE:
                return
            for digest in record.machine.images:
                await self._images.find(digest)
            taken = frozenset(r.machine.ssh_port for r in self._records.all() if r is not record)
            port = await self._hypervisor.start(record.machine, avoid_ports=taken)
            report = VmReport(
                vm_id=vm_id,
                name=record.machine.name,
                state=PowerState.RUNNING,
                stage=BootStage.BOOT,
                started_at=self._clock.now(),
                ssh_host=LOOPBACK if port else "",
                ssh_port=port,
                guest=record.report.guest,
            )
            machine = replace(record.machine, ssh_port=port)
            boot = self._lives.host_boot_id
            started = MachineRecord(machine=machine, report=report, host_boot_id=boot, lock=record.lock)
            try:
                await self._records.put(started)
            except LibraryError:
                # A process that the next daemon would not know to be ours to keep.
                await self._hypervisor.end(vm_id)
                raise
            self._lives.follow(started)
            log.info("vm_started", vm_id=vm_id, ssh_port=port)

    async def stop(self, vm_id: str, *, seconds: float = STOP_SECONDS) -> None:
        """Asks the guest to switch off, and insists after ``seconds``. One that does not run stays so.

        Raises:
            UnknownVm
            VmBusy: it stands still for a template.
        """
        refuse_frozen(self._records.get(vm_id))
        async with self._lives.lock(vm_id):
            if self._records.get(vm_id).report.state not in OPEN:
                return
            await self._records.update(vm_id, lambda record: record.evolve(stopping=True))
            try:
                asked = await self._ask_to_stop(vm_id, seconds or STOP_SECONDS)
            except BaseException:
                await self._records.update(vm_id, lambda record: record.evolve(stopping=False))
                raise
            await self._lives.to_the_end(self._lives.settle_stopped(vm_id))
            log.info("vm_stopped", vm_id=vm_id, asked=asked)

    async def force_stop(self, vm_id: str) -> None:
        """Ends it at once, also while a patient ``stop`` is waiting."""
        self._records.get(vm_id)
        await self._lives.to_the_end(self._force_stop(vm_id))

    async def _force_stop(self, vm_id: str) -> None:
        await self._end(vm_id)
        async with self._lives.lock(vm_id):
            record = self._records.find(vm_id)
            if record is not None and record.report.state is not PowerState.STOPPED:
                await self._lives.settle_stopped(vm_id)
                log.info("vm_stopped", vm_id=vm_id, asked=False)

    async def reboot(self, vm_id: str) -> None:
        """Stops it as ``stop`` does and starts it, also when the caller leaves in between.

        Raises:
            VmNotRunning: there is nothing to reboot.
        """
        record = self._records.get(vm_id)
        if record.report.state not in OPEN:
            raise VmNotRunning(f"The VM '{record.machine.name}' does not run.")
        await self._lives.to_the_end(self._reboot(vm_id))

    async def _reboot(self, vm_id: str) -> None:
        await self.stop(vm_id)
        await self.start(vm_id)

    async def delete(self, vm_id: str) -> None:
        """Ends it and removes its own files. One that is not there is fine."""
        valid_vm_id(vm_id)
        await self._lives.to_the_end(self._delete(vm_id))

    async def _delete(self, vm_id: str) -> None:
        record = self._records.find(vm_id)
        # A capture ends with the VM's process.
        if record is not None and not record.frozen:
            await self._tasks.cancel(vm_id)
        await self._end(vm_id)
        async with self._lives.lock(vm_id):
            if self._records.find(vm_id) is None:
                return
            await self._end(vm_id)
            await self._lives.unfollow(vm_id)
            await self._hypervisor.forget(vm_id)
            # The record goes first: a folder without one is cleaned up at the next start.
            with suppress(StorageFull):
                await self._records.remove(vm_id)
            await self._folders.remove(vm_id)
            # Again, where only the folder's end made the space for it.
            await self._records.remove(vm_id)
            log.info("vm_deleted", vm_id=vm_id)

    def status(self, vm_id: str) -> VmReport:
        return self._records.get(vm_id).told

    def reports(self) -> tuple[VmReport, ...]:
        """What the node says of all its VMs, for lists and heartbeats."""
        return self._records.reports()

    async def users_of(self, digest: str) -> tuple[str, ...]:
        """The names of the VMs whose disks, snapshots or discs are that image, which must stay for them."""
        return tuple(record.machine.name for record in self._records.all() if digest in record.machine.images)

    async def _ask_to_stop(self, vm_id: str, seconds: float) -> bool:
        """Whether the guest went by itself: it was asked by its power button, then also by its agent."""
        gone = asyncio.ensure_future(self._lives.ended(vm_id))
        try:
            deadline = self._clock.monotonic() + seconds
            agent_from = deadline - seconds / 2
            while (left := deadline - self._clock.monotonic()) > 0:
                await self._hypervisor.press_power_button(vm_id)
                if self._clock.monotonic() >= agent_from:
                    await self._hypervisor.ask_agent_to_shut_down(vm_id)
                pause = asyncio.ensure_future(self._clock.sleep(min(left, PRESS_SECONDS)))
                await asyncio.wait({gone, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                if gone.done():
                    # It may be done because the VM's process does not answer.
                    gone.result()
                    return True
            return False
        finally:
            gone.cancel()
            await asyncio.wait({gone})

    async def _end(self, vm_id: str) -> None:
        await self._records.update(vm_id, lambda record: record.evolve(stopping=record.report.state in OPEN))
        await self._hypervisor.end(vm_id)
