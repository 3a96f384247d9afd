"""From a wish to a recorded VM: judged, its seed rendered, its image and node found, its row written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.driver_discs import DriverDiscs, with_disc
from image_library.controlplane.services.profiles import ProfileService
from image_library.controlplane.services.provisioning import Seed
from image_library.controlplane.services.vm_launch import bound_if_ready
from image_library.controlplane.services.vm_preflight import VmPreflight, refuse_red
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.services.vm_seeds import VmSeeds
from image_library.controlplane.services.vm_source import Place, Source, VmSources
from image_library.domain.capabilities import wanted_by
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import ImageNotReady, Kind, LibraryError, NameTaken
from image_library.domain.guest_facts import completed
from image_library.domain.guest_hardware import devices_for
from image_library.domain.image import Image
from image_library.domain.machine import Firmware
from image_library.domain.network_wish import bridges_of, network_of
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.preflight import Finding
from image_library.domain.processors import cpu_model, level_needed, level_of
from image_library.domain.trust_policy import TrustPolicy
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from image_library.domain.vm_wish import (
    DiskWish,
    VmWish,
    firmware_for,
    judge,
    judge_disk_size,
    machine_size,
    tpm_for,
)

log = structlog.get_logger()

# Of a VM that is made to be tried, where the image names no user of its own.
TRIAL_USER = "proof"


class VmOrders:
    def __init__(
        self,
        *,
        database: Database,
        records: VmRecords,
        sources: VmSources,
        trust: TrustPolicy,
        profiles: ProfileService,
        seeds: VmSeeds,
        discs: DriverDiscs,
        preflight: VmPreflight,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._records = records
        self._sources = sources
        self._trust = trust
        self._profiles = profiles
        self._seeds = seeds
        self._discs = discs
        self._preflight = preflight
        self._clock = clock
        self._new_id = new_id

    async def prepared(self, wish: VmWish) -> VmWish:
        """The wish on top of its profile, and without a password in plain: what ``place`` takes.

        Raises:
            LibraryError: the profile, its parameters or a password cannot be used.
        """
        return await self._seeds.prepared(await self._profiles.applied(wish))

    async def made(self, key: str, what: str = "vm") -> Vm | None:
        """The VM that a call with this key has made as its ``what``, where it is still there."""
        async with self._database.read() as records:
            made = await records.calls.made(key)
            return await records.vms.get(made[what]) if what in made else None

    async def place(self, wish: VmWish, *, key: str = "", what: str = "vm") -> Vm:
        """The VM, recorded as PROVISIONING: bound to its version, or to the job that brings it.

        Everything that can be refused is refused before a download is begun and before the row is there.
        """
        disk = judge(wish)
        source = await self._sources.find(disk, wish.node, project=wish.project_id)
        # Also before a download is begun that could never prove enough.
        self._trust.judge(source.best_trust, project=wish.project_id, image=source.name)
        drivers = await self._discs.find(wish.driver_iso, project=wish.project_id)
        vm = await self._drafted(wish, disk, source)
        if not wish.force:
            refuse_red(await self._findings(wish, disk, source))
        async with self._database.read() as records:
            await _name_is_free(records, wish)
        needs = _needs(vm, source.os)
        placed = await self._sources.place(source, wish.node, needs=needs, disc=drivers)
        async with self._database.write() as records:
            await _name_is_free(records, wish)
            # Readiness is looked at and the row, our reference on the version, written in one step.
            vm = await bound_if_ready(records, _equipped(_at(vm, placed), wish, placed.image), self._trust)
            vm = await with_disc(records, vm, drivers)
            await records.vms.save(vm)
            await records.calls.note(key, **{what: vm.id})
        return vm

    async def tried(self, wish: VmWish) -> Vm:
        """A VM as ``place`` would record it, to be made once and thrown away; nothing is recorded.

        Raises:
            ImageNotReady: no node that could be used has the image.
            LibraryError: it would be refused, as by ``place``.
        """
        wish = await self.prepared(wish)
        disk = judge(wish)
        source = await self._sources.find(disk, wish.node, project=wish.project_id)
        if wish.provisioning != Provisioning():
            wish = replace(wish, provisioning=_alone(wish.provisioning, source.user))
        self._trust.judge(source.best_trust, project=wish.project_id, image=source.name)
        # On a bridge it would reach others.
        vm = (await self._drafted(wish, disk, source)).evolve(bridges=())
        refuse_red(await self._findings(wish, disk, source))
        placed = await self._sources.place(source, wish.node, needs=_needs(vm, source.os))
        if placed.job_id:
            raise ImageNotReady(f"Image '{placed.image.title}' is not ready on that node.", field="image")
        vm = _equipped(_at(vm, placed), wish, placed.image)
        return vm.evolve(image_digest=placed.image.digest, profile=wish.profile)

    async def place_again(self, vm: Vm) -> Vm:
        """A VM that was never made, PROVISIONING once more, with a new download if it needs one."""
        source = await self._sources.find(
            DiskWish(image=vm.image_id or vm.image_name), vm.node_id, project=vm.project_id
        )
        placed = await self._sources.place(source, vm.node_id, needs=_needs(vm, source.os))
        fresh = replace(vm.report, state=PowerState.PROVISIONING, error_message="")
        return await self._records.change(
            vm.id, lambda v: _at(v, placed).evolve(report=fresh, failure=None, start_on_create=True)
        )

    async def preview(self, wish: VmWish) -> Seed:
        """The seed that ``place`` would record, with a mark for each password's hash; nothing is recorded."""
        wish = await self.prepared(wish)
        disk = judge(wish)
        source = await self._sources.find(disk, wish.node, project=wish.project_id)
        vm_id = self._new_id()
        network = network_of(wish.network, vm_id)
        return await self._seeds.seed(wish, source, vm_id=vm_id, network=network, hide_secrets=True)

    async def preflight(self, wish: VmWish) -> tuple[Finding, ...]:
        """Everything that can be told of it beforehand; what it would be refused for is a red finding.

        Raises:
            UnknownImage, UnknownNode, AmbiguousImage: what it names is not there.
        """
        try:
            wish = await self.prepared(wish)
            disk = judge(wish)
            source = await self._sources.find(disk, wish.node, project=wish.project_id)
            if source.image is not None:
                judge_disk_size(disk.size_gib, source.image.virtual_size_bytes)
            self._trust.judge(source.best_trust, project=wish.project_id, image=source.name)
            await self._discs.find(wish.driver_iso, project=wish.project_id)
            return await self._findings(wish, disk, source)
        except LibraryError as error:
            if error.kind not in (Kind.INVALID, Kind.PRECONDITION):
                raise
            return (Finding.of(error),)

    async def _findings(self, wish: VmWish, disk: DiskWish, source: Source) -> tuple[Finding, ...]:
        vm_id = self._new_id()
        network = network_of(wish.network, vm_id)
        seed = await self._seeds.seed(wish, source, vm_id=vm_id, network=network, hide_secrets=True)
        return await self._preflight.findings(wish, disk, source, network, seed)

    async def _drafted(self, wish: VmWish, disk: DiskWish, source: Source) -> Vm:
        vm_id, now = self._new_id(), self._clock.now()
        if source.image is not None:
            judge_disk_size(disk.size_gib, source.image.virtual_size_bytes)
        size = machine_size(wish, source.needs)
        if size.memory_mib < source.needs.min_memory_mib:
            log.warning("vm_below_image_memory", vm_id=vm_id, memory_mib=size.memory_mib)
        network = network_of(wish.network, vm_id)
        first, *more = (card.mac_address for card in network.cards)
        seed = await self._seeds.seed(wish, source, vm_id=vm_id, network=network)
        return Vm(
            id=vm_id,
            name=wish.name,
            project_id=wish.project_id,
            description=wish.description,
            labels=dict(wish.labels),
            cores=size.cores,
            memory_mib=size.memory_mib,
            disk_gib=disk.size_gib,
            firmware=firmware_for(wish, source.needs, source.firmware_found),
            tpm=tpm_for(wish, source.needs),
            cpu_model=cpu_model(wish.cpu_model),
            **_guest(wish, source.os),
            bridges=bridges_of(wish.network),
            mac_address=first,
            more_mac_addresses=tuple(more),
            ssh_user=seed.user,
            profile=wish.profile,
            seed=seed.documents,
            start_on_create=wish.start_on_create,
            report=VmReport(
                vm_id=vm_id, name=wish.name, state=PowerState.PROVISIONING, stage=BootStage.IMAGE
            ),
            created_at=now,
            updated_at=now,
            state_changed_at=now,
        )


def _alone(asked: Provisioning, image_user: str) -> Provisioning:
    """For a guest without a way out of its network, whom somebody logs in to in any case."""
    user = asked.default_user or image_user or TRIAL_USER
    return replace(asked, default_user=user, offline=True)


def _needs(vm: Vm, os: OsInfo) -> frozenset[str]:
    level = max(level_needed(os), level_of(vm.cpu_model))
    return wanted_by(
        Firmware(vm.firmware),
        tpm=vm.tpm,
        bridges=vm.bridges,
        cpu_level=level,
        datasource=vm.seed.datasource,
    )


def _guest(wish: VmWish, os: OsInfo) -> dict[str, Any]:
    """What the operating system makes of the machine."""
    windows = os.family is OsFamily.WINDOWS
    return {
        "guest_os": os.family.value if windows else "",
        "devices": devices_for(wish.devices, os.family),
    }


def _equipped(vm: Vm, wish: VmWish, image: Image) -> Vm:
    """As the version wants it that was chosen in the end."""
    found = image.found.firmware if image.found else ()
    firmware = firmware_for(wish, image.requirements, found)
    guest = _guest(wish, completed(image.os, image.found))
    return vm.evolve(firmware=firmware, tpm=tpm_for(wish, image.requirements), **guest)


def _at(vm: Vm, placed: Place) -> Vm:
    image = placed.image
    return vm.evolve(
        node_id=placed.node_id,
        image_id=image.id,
        image_name=image.name,
        job_id=placed.job_id,
        warnings=image.warnings,
    )


async def _name_is_free(records: Records, wish: VmWish) -> None:
    if await records.vms.named(wish.name, wish.project_id):
        raise NameTaken(f"A VM '{wish.name}' exists already.", field="name")
