"""What a node has for its VMs, put together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from image_library.domain.guest_door import Doorways
from image_library.node.adapters.guest_login import SshLogin
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors, QemuLines
from image_library.node.adapters.qemu_img import QemuImg, QemuImgChanges
from image_library.node.adapters.seed_iso import SeedIso
from image_library.node.adapters.served_seeds import ServedSeeds
from image_library.node.adapters.store.part_records import boot_id
from image_library.node.adapters.vm_folders import VmFolderTree
from image_library.node.adapters.vm_journal import JournaledVms
from image_library.node.hypervisors import doorways_of, driver_of
from image_library.node.ports.vms import GuestWindow, Hypervisor, SeedDesk, VmFolders
from image_library.node.services.consoles import Consoles
from image_library.node.services.disk_tasks import DiskTasks
from image_library.node.services.displays import Displays
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.frozen_guests import FrozenGuests
from image_library.node.services.proof_attempt import ProofAttempts
from image_library.node.services.prove_boot import BootProofs
from image_library.node.services.provision_vm import ProvisionVm
from image_library.node.services.vm_disks import VmDisks
from image_library.node.services.vm_leftovers import VmLeftovers
from image_library.node.services.vm_lives import VmLives
from image_library.node.services.vm_records import VmRecords
from image_library.node.services.vm_streams import VmStreams
from image_library.node.services.vms import Vms
from image_library.node.world import World


@dataclass(frozen=True, kw_only=True)
class VmParts:
    vms: Vms
    records: VmRecords
    lives: VmLives
    folders: VmFolderTree
    streams: VmStreams
    consoles: Consoles
    disks: VmDisks
    tasks: DiskTasks
    displays: Displays
    leftovers: VmLeftovers
    hypervisor: Hypervisor
    doorways: Doorways
    keeper: DoorKeeper
    proofs: BootProofs
    frozen: FrozenGuests


async def open_vm_parts(stack: AsyncExitStack, world: World) -> VmParts:
    folders = VmFolderTree.open(world.layout.vms)
    stack.callback(folders.close)
    driver = driver_of(world.settings, folders)
    hypervisor, window = driver.hypervisor, driver.window
    doorways = await doorways_of(world.settings, hypervisor)
    records = VmRecords(journal=JournaledVms(world.journal), changes=world.changes)
    desk = ServedSeeds(folders)
    keeper = DoorKeeper(records=records, desk=desk, clock=world.clock, doorways=doorways)
    lives = VmLives(
        records=records,
        hypervisor=hypervisor,
        window=window,
        doors=QemuDoors(folders),
        keeper=keeper,
        clock=world.clock,
        host_boot_id=boot_id(),
    )
    tasks = DiskTasks(records=records, lives=lives, folders=folders, hypervisor=hypervisor)
    vms = Vms(
        records=records,
        lives=lives,
        provision=_provision(world, folders, hypervisor, desk, doorways),
        keeper=keeper,
        folders=folders,
        hypervisor=hypervisor,
        images=world.store,
        tasks=tasks,
        clock=world.clock,
    )
    return VmParts(
        vms=vms,
        proofs=_proofs(world, (vms, records), folders, hypervisor, window),
        records=records,
        lives=lives,
        folders=folders,
        streams=VmStreams(records=records, window=window, clock=world.clock),
        consoles=Consoles(records=records, window=window, lines=QemuLines(folders), clock=world.clock),
        disks=_disks(world, (records, lives), folders, hypervisor, tasks),
        tasks=tasks,
        displays=Displays(records=records, screens=driver.screens, clock=world.clock),
        leftovers=VmLeftovers(records=records, lives=lives, folders=folders, hypervisor=hypervisor),
        hypervisor=hypervisor,
        frozen=FrozenGuests(records=records, hypervisor=hypervisor, agents=driver.agents, clock=world.clock),
        doorways=doorways,
        keeper=keeper,
    )


def _provision(
    world: World, folders: VmFolders, hypervisor: Hypervisor, desk: SeedDesk, doorways: Doorways
) -> ProvisionVm:
    return ProvisionVm(
        journal=JournaledVms(world.journal),
        images=world.store,
        files=world.folder,
        folders=folders,
        disks=QemuImg(world.jail),
        seeds=SeedIso(),
        desk=desk,
        holds=world.holds,
        hypervisor=hypervisor,
        doorways=doorways,
    )


def _disks(
    world: World,
    known: tuple[VmRecords, VmLives],
    folders: VmFolders,
    hypervisor: Hypervisor,
    tasks: DiskTasks,
) -> VmDisks:
    records, lives = known
    return VmDisks(
        records=records,
        lives=lives,
        folders=folders,
        hypervisor=hypervisor,
        maker=QemuImg(world.jail),
        changer=QemuImgChanges(world.jail),
        images=world.store,
        holds=world.holds,
        tasks=tasks,
        clock=world.clock,
    )


def _proofs(
    world: World,
    machines: tuple[Vms, VmRecords],
    folders: VmFolders,
    hypervisor: Hypervisor,
    window: GuestWindow,
) -> BootProofs:
    vms, records = machines
    attempts = ProofAttempts(
        vms=vms,
        records=records,
        folders=folders,
        hypervisor=hypervisor,
        window=window,
        login=SshLogin(),
        clock=world.clock,
        node_id=world.identity.node_id,
        hypervisor_name=world.settings.hypervisor,
    )
    return BootProofs(attempts=attempts, gate=world.health, changes=world.changes)
