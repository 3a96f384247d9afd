"""Making a VM: judge the order, make disk and seed in its own folder, write it down; or leave nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import structlog

from image_library.domain.bridges import valid_bridge
from image_library.domain.errors import (
    DiskTooSmall,
    InvalidRequest,
    LibraryError,
    PathOutside,
    UnsupportedFeature,
    printable,
)
from image_library.domain.guest_door import DIRECT, TOKEN_BYTES, DoorLock, Doorways, smbios_serial, with_door
from image_library.domain.image import ImageFormat
from image_library.domain.machine import (
    GIB,
    OVERLAY_DISK,
    Backing,
    DiskOrder,
    Machine,
    MachineOrder,
    MachineRecord,
    mac_for,
    valid_documents,
    valid_mac,
    valid_size,
)
from image_library.domain.secret import Secret
from image_library.domain.vm import BootStage, Datasource, PowerState, SeedDocuments, VmReport
from image_library.node.ports.vms import (
    DiskMaker,
    Hypervisor,
    OperatorFiles,
    PublishedImages,
    SeedDesk,
    SeedWriter,
    VmFolders,
    VmJournal,
)
from image_library.node.services.image_holds import ImageHolds

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Told:
    seed: SeedDocuments
    lock: DoorLock = DoorLock()
    # Its door is in no network.
    direct: bool = False
    # The machine's serial number, where it says where the seed is; it holds the token.
    serial: str = field(default="", repr=False)


class ProvisionVm:
    """Makes VMs; the caller sees to it that no two calls make the same one at once."""

    def __init__(
        self,
        *,
        journal: VmJournal,
        images: PublishedImages,
        files: OperatorFiles,
        folders: VmFolders,
        disks: DiskMaker,
        seeds: SeedWriter,
        desk: SeedDesk,
        holds: ImageHolds,
        hypervisor: Hypervisor,
        doorways: Doorways,
    ) -> None:
        self._journal = journal
        self._images = images
        self._files = files
        self._folders = folders
        self._disks = disks
        self._seeds = seeds
        self._desk = desk
        self._holds = holds
        self._hypervisor = hypervisor
        self._doorways = doorways

    async def make(self, order: MachineOrder) -> MachineRecord:
        """The VM's journal record, once its disk, its seed and the record itself are on disk.

        Raises:
            InvalidRequest, PathOutside, DiskTooSmall, BridgeDenied, BridgeMissing: it cannot be met.
            UnsupportedFeature: there is no door for a guest that finds its documents there.
            ImageNotReady: the image is not on this node.
            HypervisorMissing, StorageFull, HypervisorFailed: the disk could not be made.
        """
        valid_size(order)
        valid_documents(order.seed)
        self._own_path_only(order)
        async with self._drivers(order) as drivers, self._backing(order.disk) as (backing, virtual_size):
            disk_bytes = _disk_bytes(order.disk, virtual_size)
            return await self._made(order, _machine(order, backing, disk_bytes, drivers))

    async def _made(self, order: MachineOrder, machine: Machine) -> MachineRecord:
        backing = machine.backing
        told = self._told(order, machine)
        machine = replace(machine, door=told.direct, seed_served=bool(told.serial))
        report = VmReport(vm_id=order.vm_id, name=order.name, state=PowerState.STOPPED, stage=BootStage.DISK)
        record = MachineRecord(machine=machine, report=report, lock=told.lock)
        async with self._folder(order.vm_id) as folder:
            await self._disks.create_overlay(
                f"{folder}/{OVERLAY_DISK}",
                backing=backing.path,
                backing_format=backing.format,
                size_bytes=machine.disk_bytes,
            )
            if told.serial:
                await self._desk.lay_out(folder, told.seed, told.serial)
            else:
                await self._seeds.write(folder, told.seed)
            await self._hypervisor.define(machine)
            await self._journal.save(record)
        log.info("vm_made", vm_id=order.vm_id, digest=backing.digest, disk_bytes=machine.disk_bytes)
        return record

    def _told(self, order: MachineOrder, machine: Machine) -> _Told:
        """What its guest is told: with a new token where it shall report, or finds it at its door only.

        Raises:
            UnsupportedFeature: it is to be found at a door that there is not.
        """
        served = order.seed.datasource is Datasource.NOCLOUD_SMBIOS
        doorway = self._doorways.of(machine.cards[0].bridge)
        if served and doorway is None:
            raise UnsupportedFeature(
                "The guest is to find its documents at a door of its node, and the node has none for it.",
                remedy="Choose NoCloud or ConfigDrive, which come on a disk.",
                field="spec.cloud_init.datasource",
            )
        if doorway is None or not (served or order.seed.phone_home):
            return _Told(seed=order.seed)
        token = Secret(secrets.token_urlsafe(TOKEN_BYTES))
        return _Told(
            seed=with_door(order.seed, doorway, token) if order.seed.phone_home else order.seed,
            lock=DoorLock.of(token),
            direct=doorway == DIRECT,
            serial=smbios_serial(doorway, token) if served else "",
        )

    @asynccontextmanager
    async def _folder(self, vm_id: str) -> AsyncGenerator[str]:
        """The VM's new folder, which goes away again when what follows fails or is cancelled."""
        folder = await self._folders.make(vm_id)
        try:
            yield folder
        except BaseException:
            await asyncio.shield(self._undo(vm_id))
            raise

    async def _undo(self, vm_id: str) -> None:
        await self._journal.remove(vm_id)
        with suppress(LibraryError):
            await self._hypervisor.forget(vm_id)
        await self._folders.remove(vm_id)

    def _own_path_only(self, order: MachineOrder) -> None:
        own = f"{self._folders.path(order.vm_id)}/{OVERLAY_DISK}"
        if order.disk.path not in {"", own}:
            raise PathOutside(
                f"The disk cannot lie at '{printable(order.disk.path)}'.",
                remedy="Leave the path out; the node makes the disk in the VM's own folder.",
                field="spec.disks.path",
            )

    @asynccontextmanager
    async def _drivers(self, order: MachineOrder) -> AsyncGenerator[Backing | None]:
        """The disc with drivers, where there is to be one; meanwhile it is not removed."""
        if not order.driver_digest:
            yield None
            return
        with self._holds.hold(order.driver_digest):
            image = await self._images.find(order.driver_digest)
            if image.facts.format is not ImageFormat.ISO:
                raise InvalidRequest(
                    f"A disc with drivers is an ISO image, not {image.facts.format.value}.",
                    remedy="Name one, such as virtio-win.iso once it is imported.",
                    field="spec.driver_iso",
                )
            yield Backing(path=image.blob_path, format=ImageFormat.RAW, digest=image.digest)

    @asynccontextmanager
    async def _backing(self, disk: DiskOrder) -> AsyncGenerator[tuple[Backing, int]]:
        """The image to build on and its virtual size in bytes; meanwhile it is not removed."""
        digest = await self._digest(disk)
        if not digest:
            yield await self._operators_file(disk.backing_path)
            return
        with self._holds.hold(digest):
            # Only now: before, it may have been removed at any moment.
            image = await self._images.find(digest)
            backing = Backing(path=image.blob_path, format=image.facts.format, digest=image.digest)
            yield backing, image.facts.virtual_size_bytes

    async def _digest(self, disk: DiskOrder) -> str:
        """The published image's; empty where the path names none."""
        if disk.backing_digest:
            return disk.backing_digest
        if not disk.backing_path:
            raise InvalidRequest(
                "A VM's disk is built on an image, and none is named.", field="spec.disks.backing_digest"
            )
        image = await self._images.find_by_path(disk.backing_path)
        return image.digest if image else ""

    async def _operators_file(self, path: str) -> tuple[Backing, int]:
        file = await self._files.find_by_path(path)
        if file is None:
            raise PathOutside(
                f"'{printable(path)}' is no image of this node.", field="spec.disks.backing_file"
            )
        if file.facts.format not in (ImageFormat.QCOW2, ImageFormat.RAW):
            raise UnsupportedFeature(
                f"{printable(file.filename)} is {file.facts.format.value}; disks are built on qcow2 and raw."
            )
        return Backing(path=file.path, format=file.facts.format), file.facts.virtual_size_bytes


def _disk_bytes(disk: DiskOrder, virtual_size: int) -> int:
    wanted = disk.size_gib * GIB
    if 0 < wanted < virtual_size:
        raise DiskTooSmall(
            f"A disk of {disk.size_gib} GiB is smaller than the image's {_gib(virtual_size)} GiB.",
            field="spec.disks.size_gib",
        )
    return wanted or virtual_size


def _gib(size: int) -> str:
    """Rounded up to hundredths, so that the number it names is large enough."""
    return f"{-(-size * 100 // GIB) / 100:g}"


def _machine(order: MachineOrder, backing: Backing, disk_bytes: int, drivers: Backing | None) -> Machine:
    return Machine(
        vm_id=order.vm_id,
        name=order.name,
        architecture=order.architecture,
        cores=order.cores,
        memory_mib=order.memory_mib,
        firmware=order.firmware,
        mac_address=valid_mac(order.mac_address) if order.mac_address else mac_for(order.vm_id),
        more_mac_addresses=tuple(map(valid_mac, order.more_mac_addresses)),
        bridges=tuple(valid_bridge(bridge) if bridge else "" for bridge in order.bridges),
        tpm=order.tpm,
        throw_away=order.throw_away,
        guest_os=order.guest_os,
        devices=order.devices,
        cpu_model=order.cpu_model,
        drivers=drivers,
        disk_bytes=disk_bytes,
        backing=backing,
    )
