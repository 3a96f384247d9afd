"""A node's VM services over the real journal, folders and qemu, put together as the node does it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from image_library.domain.changes import Changes
from image_library.domain.guest_door import Doorways
from image_library.domain.image import ImageFormat
from image_library.domain.machine import DiskOrder, Firmware, MachineOrder, MachineRecord
from image_library.domain.store import ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.domain.vm import BootStage, Datasource, PowerState, SeedDocuments, VmReport
from image_library.domain.vm_disk import DiskTaskState
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtSettings
from image_library.node.adapters.hypervisors.qemu.driver import QemuSettings
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors, QemuLines
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.qemu_img import QemuImg, QemuImgChanges
from image_library.node.adapters.seed_iso import SeedIso
from image_library.node.adapters.served_seeds import ServedSeeds
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.adapters.vm_journal import JournaledVms
from image_library.node.hypervisors import Driver, libvirt_driver, qemu_driver
from image_library.node.ports.vms import DiskChanger
from image_library.node.services.consoles import Consoles
from image_library.node.services.disk_tasks import DiskTasks
from image_library.node.services.displays import Displays
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.provision_vm import ProvisionVm
from image_library.node.services.vm_disks import VmDisks
from image_library.node.services.vm_lives import VmLives
from image_library.node.services.vm_records import VmRecords
from image_library.node.services.vm_streams import VmStreams
from image_library.node.services.vms import Vms
from tests.fakes.hypervisor import NOON, KnownImages

DIGEST = "sha256:" + "a" * 64
STAGES = list(BootStage)
Driven = QemuSettings | LibvirtSettings
TCG = QemuSettings(accelerator="tcg", isolated=True)


def image_at(path: Path, image_format: ImageFormat, virtual_size: int) -> PublishedImage:
    return PublishedImage(
        digest=DIGEST,
        size_bytes=path.stat().st_size,
        facts=ImageFacts(format=image_format, virtual_size_bytes=virtual_size),
        blob_path=str(path),
        link_path=str(path),
        evidence=Evidence(level=TrustLevel.CHECKSUM),
        published_at=NOON,
    )


def order(
    vm_id: str = "vm-1",
    *,
    memory_mib: int = 64,
    cores: int = 1,
    user_data: str = "",
    phone_home: bool = False,
    datasource: Datasource = Datasource.NOCLOUD,
    firmware: Firmware = Firmware.BIOS,
    tpm: bool = False,
) -> MachineOrder:
    return MachineOrder(
        vm_id=vm_id,
        name=vm_id,
        architecture="x86_64",
        cores=cores,
        memory_mib=memory_mib,
        firmware=firmware,
        tpm=tpm,
        disk=DiskOrder(backing_digest=DIGEST),
        seed=SeedDocuments(
            user_data=user_data,
            meta_data=f"instance-id: i-{vm_id}\n",
            datasource=datasource,
            phone_home=phone_home,
        ),
    )


def _driver(folders: VmFolderTree, settings: Driven) -> Driver:
    if isinstance(settings, LibvirtSettings):
        return libvirt_driver(settings, folders)
    return qemu_driver(settings, folders)


class Daemon:
    """One run of the daemon. ``stop`` leaves its VMs as they are, as a kill would."""

    def __init__(
        self,
        data: Path,
        journal: JournalDatabase,
        image: PublishedImage,
        settings: Driven,
        changer: DiskChanger | None = None,
    ) -> None:
        self.data = data
        self._journal = journal
        self._folders = VmFolderTree.open(data / "vms")
        clock = SystemClock()
        vms = JournaledVms(journal)
        images = KnownImages(image)
        records = VmRecords(journal=vms, changes=Changes())
        driver = _driver(self._folders, settings)
        self.hypervisor, self.window, self.agents = driver.hypervisor, driver.window, driver.agents
        doorways = Doorways(direct=True)
        desk = ServedSeeds(self._folders)
        keeper = DoorKeeper(records=records, desk=desk, clock=clock, doorways=doorways)
        lives = VmLives(
            records=records,
            hypervisor=self.hypervisor,
            window=self.window,
            doors=QemuDoors(self._folders),
            keeper=keeper,
            clock=clock,
            host_boot_id="boot",
        )
        lines = QemuLines(self._folders)
        self.consoles = Consoles(records=records, window=self.window, lines=lines, clock=clock)
        self.displays = Displays(records=records, screens=driver.screens, clock=clock)
        self.streams = VmStreams(records=records, window=self.window, clock=clock)
        search_path = settings.search_path if isinstance(settings, QemuSettings) else None
        disks = QemuImg(Jail(best_wall()), search_path=search_path)
        self.images = images
        self.tasks = DiskTasks(
            records=records, lives=lives, folders=self._folders, hypervisor=self.hypervisor
        )
        self.disks = VmDisks(
            records=records,
            lives=lives,
            folders=self._folders,
            hypervisor=self.hypervisor,
            maker=disks,
            changer=changer or QemuImgChanges(Jail(best_wall()), search_path=search_path),
            images=images,
            holds=ImageHolds(),
            tasks=self.tasks,
            clock=clock,
        )
        self.vms = Vms(
            records=records,
            lives=lives,
            provision=ProvisionVm(
                journal=vms,
                images=images,
                files=images.files,
                folders=self._folders,
                disks=disks,
                seeds=SeedIso(),
                desk=desk,
                holds=ImageHolds(),
                hypervisor=self.hypervisor,
                doorways=doorways,
            ),
            keeper=keeper,
            folders=self._folders,
            hypervisor=self.hypervisor,
            images=images,
            tasks=self.tasks,
            clock=clock,
        )

    @classmethod
    async def started(
        cls,
        data: Path,
        image: PublishedImage,
        settings: Driven = TCG,
        changer: DiskChanger | None = None,
    ) -> Daemon:
        daemon = cls(data, await JournalDatabase.open(data / "journal.db"), image, settings, changer)
        await daemon.vms.recover()
        await daemon.disks.recover()
        return daemon

    async def stop(self) -> None:
        await self.vms.close()
        await self._journal.close()
        self._folders.close()

    async def until_task(self, vm_id: str, state: DiskTaskState, *, seconds: float = 60) -> VmReport:
        async with asyncio.timeout(seconds), aclosing(self.streams.watch(vm_id)) as reports:
            async for report in reports:
                task = report.disk.task if report.disk else None
                if task is not None and not task.live:
                    assert task.state is state, task
                    return report
        raise AssertionError(f"{vm_id} was deleted")

    async def until(self, vm_id: str, state: PowerState, *, seconds: float = 20) -> VmReport:
        async with asyncio.timeout(seconds), aclosing(self.streams.watch(vm_id)) as reports:
            async for report in reports:
                if report.state is state:
                    return report
        raise AssertionError(f"{vm_id} was deleted")

    async def until_stage(self, vm_id: str, stage: BootStage, *, seconds: float = 20) -> VmReport:
        async with asyncio.timeout(seconds), aclosing(self.streams.watch(vm_id)) as reports:
            async for report in reports:
                if STAGES.index(report.stage) >= STAGES.index(stage):
                    return report
        raise AssertionError(f"{vm_id} was deleted")

    async def until_console(self, vm_id: str, words: bytes, *, seconds: float = 20) -> bytes:
        heard = b""
        pieces = self.streams.console(vm_id, offset=0, follow=True)
        async with asyncio.timeout(seconds), aclosing(pieces):
            async for _, data in pieces:
                heard += data
                if words in heard:
                    break
        return heard

    async def journaled(self) -> tuple[MachineRecord, ...]:
        return await JournaledVms(self._journal).all()

    async def remember(self, record: MachineRecord) -> None:
        """What the next daemon finds in the journal."""
        await JournaledVms(self._journal).save(record)

    def pid(self, vm_id: str) -> int:
        return int((self.data / "vms" / vm_id / "qemu.pid").read_text())
