"""Templates of VMs: what of a VM's own would go into one, and the job that makes it on the VM's node."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vms import NodeVms
from image_library.controlplane.services.download_outcome import next_version, underway
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.image_copies import readable_name
from image_library.controlplane.services.node_choice import writable
from image_library.controlplane.services.taken_names import taken
from image_library.controlplane.services.vm_records import VmRecords
from image_library.domain.catalog import Catalog
from image_library.domain.conversion import Shape, wished_shape
from image_library.domain.errors import InvalidRequest, UnknownVm, VmNotRunning, VmRunning
from image_library.domain.generalisation import AuditReport
from image_library.domain.identity import valid_name
from image_library.domain.image import Image, ImageFormat, Requirements, Visibility
from image_library.domain.image_update import description_of
from image_library.domain.job import Job, JobKind
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.node import Node
from image_library.domain.os_info import OsInfo
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import PowerState, Vm

log = structlog.get_logger()

_AT_REST = frozenset({PowerState.STOPPED, PowerState.CRASHED})
_LONGEST_STEM = 50


@dataclass(frozen=True, kw_only=True)
class CaptureWish:
    """What somebody asks for; an empty name is chosen by us."""

    # Id or name.
    vm: str
    name: str = ""
    description: str = ""
    # The copy is cleaned of what is the VM's own.
    clean: bool = True
    # It becomes a template whatever is found in it.
    force: bool = False
    # It may run, and is frozen then.
    frozen: bool = False
    # It runs, and its agent cleans the VM itself before it is frozen.
    in_guest: bool = False
    compression: str = ""


class Captures:
    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        vms: VmRecords,
        nodes: NodeVms,
        runs: DownloadRuns,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._vms = vms
        self._nodes = nodes
        self._runs = runs
        self._clock = clock
        self._new_id = new_id

    async def audit(self, named: str) -> AuditReport:
        """What of the VM's own is on its disk. Nothing is changed.

        Raises:
            UnknownVm, UnknownNode: there is no such VM, or no node that has it.
            NodeUnreachable, HypervisorFailed, JailMissing, JailedProgramDied: its node cannot look.
        """
        vm = await self._vms.find(named)
        return await self._nodes.audit(await self._vms.node_of(vm), vm.id)

    async def start(self, wish: CaptureWish, *, key: str = "") -> Job:
        """The job that makes the template; asking while it goes on makes no other.

        Raises:
            UnknownVm, UnknownNode: there is no such VM, or no node that has it.
            VmRunning: it is neither stopped nor, where it may be frozen, running.
            VmNotRunning: its agent is to clean it.
            StoreDegraded: its node takes nothing new.
            InvalidName, InvalidCharacter, InvalidRequest, NameTaken
        """
        _judge(wish)
        shape = wished_shape(ImageFormat.QCOW2.value, wish.compression, field="compression")
        assert shape is not None
        vm = await self._vms.find(wish.vm)
        async with self._database.write() as records:
            made = await records.calls.made(key)
            job = await records.jobs.get(made["job"]) if made else None
            if job is None:
                job = await self._begun(records, vm.id, wish, shape)
                await records.calls.note(key, job=job.id)
        if not job.state.ended:
            self._runs.start(job)
        return self._runs.latest(job)

    async def _begun(self, records: Records, vm_id: str, wish: CaptureWish, shape: Shape) -> Job:
        vm, node = await _ready(records, vm_id, wish)
        name = valid_name(wish.name or f"{vm.name[:_LONGEST_STEM]}-template")
        self._catalog.check_name(name)
        there = await records.images.named(name, vm.project_id)
        live = await _same(records, there[0], vm) if there else None
        if live is not None:
            return live
        image = await self._drafted(records, vm, wish, name)
        job = self._job(image, vm, node)
        await records.images.save(underway(image, job))
        await records.jobs.add(job, _order(job, image, vm, wish, shape))
        log.info("capture_planned", job_id=job.id, vm_id=vm.id, image_id=image.id, node_id=node.id)
        return job

    async def _drafted(self, records: Records, vm: Vm, wish: CaptureWish, name: str) -> Image:
        """The template before its bytes are there; the image below the VM's disk tells of its system."""
        base = await records.images.get(vm.image_id) if vm.image_id else None
        lineage = ConvertedFrom(
            format=base.format.value if base else ImageFormat.QCOW2.value,
            digest=vm.image_digest,
            size_bytes=base.size_bytes if base else 0,
            trust=base.trust if base else None,
            captured=CapturedFrom(vm_id=vm.id, vm_name=vm.name),
        )
        draft = await self._named(records, vm, name)
        return draft.evolve(
            description=description_of(wish.description) or draft.description,
            os=_os(base, vm),
            requirements=base.requirements if base else Requirements(firmware=(_family(vm),), tpm=vm.tpm),
            origin=f"captured from VM {vm.name}" + (f" on {base.title}" if base else ""),
            converted_from=lineage,
        )

    async def _named(self, records: Records, vm: Vm, name: str) -> Image:
        """The next version of the template with this name, or the first one. Raises NameTaken."""
        now = self._clock.now()
        versions = await records.images.versions(name, vm.project_id)
        if not versions:
            return Image(
                id=self._new_id(),
                name=name,
                project_id=vm.project_id,
                format=ImageFormat.QCOW2,
                visibility=Visibility.PROJECT,
                created_at=now,
                updated_at=now,
            )
        if versions[0].captured is None or not any(version.digest for version in versions):
            raise await taken(records, versions[0])
        begun = next((v for v in versions if not v.digest and not v.current), None)
        if begun is not None and not await _busy(records, begun):
            await records.images.remove(begun.id)
            versions = tuple(v for v in versions if v.id != begun.id)
        return next_version(versions[0], version_id=self._new_id(), now=now)

    def _job(self, image: Image, vm: Vm, node: Node) -> Job:
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.CAPTURE,
            image_id=image.id,
            image_name=image.name,
            node_id=node.id,
            pool_id=node.store_id,
            architecture=image.os.architecture,
            space_bytes=image.converted_from.size_bytes if image.converted_from else 0,
            created_at=now,
            updated_at=now,
        )


def _judge(wish: CaptureWish) -> None:
    if wish.in_guest and not wish.clean:
        raise InvalidRequest("It is either captured as it is, or cleaned.", field="clean_in_guest")


async def _ready(records: Records, vm_id: str, wish: CaptureWish) -> tuple[Vm, Node]:
    """The VM with its node. The node looks again; this is told at once."""
    vm = await records.vms.get(vm_id)
    if vm is None:
        raise UnknownVm("The VM was deleted meanwhile.", field="vm_id")
    node = await records.nodes.get(vm.node_id)
    runs = vm.report.state is PowerState.RUNNING
    if wish.in_guest and not runs:
        raise VmNotRunning(f"The VM '{vm.name}' does not run, so its agent cannot clean it.", field="vm_id")
    if node is None or not (vm.report.state in _AT_REST or (runs and (wish.frozen or wish.in_guest))):
        raise VmRunning(
            f"The VM '{vm.name}' is not stopped.",
            remedy=f"Stop it first: 'limiquantix vms stop {vm.name}'; or capture it with --frozen.",
            field="vm_id",
        )
    return vm, writable(node)


async def _same(records: Records, current: Image, vm: Vm) -> Job | None:
    """The live job that captures this VM under this name already."""
    for version in await records.images.versions(current.name, current.project_id):
        for job in await records.jobs.of_image(version.id):
            order = await records.jobs.order(job.id)
            if not job.state.ended and order is not None and order.capture_vm == vm.id:
                return job
    return None


async def _busy(records: Records, image: Image) -> bool:
    return any(not job.state.ended for job in await records.jobs.of_image(image.id))


def _os(base: Image | None, vm: Vm) -> OsInfo:
    known = base.os if base else OsInfo()
    return replace(known, default_user=known.default_user or vm.ssh_user)


def _family(vm: Vm) -> str:
    return "bios" if vm.firmware == "bios" else "uefi"


def _order(job: Job, image: Image, vm: Vm, wish: CaptureWish, shape: Shape) -> DownloadOrder:
    return DownloadOrder(
        job_id=job.id,
        image_id=image.id,
        url="",
        filename=readable_name(replace(image, format=shape.format)),
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        unverified=True,
        capture_vm=vm.id,
        capture_clean=wish.clean,
        capture_force=wish.force,
        capture_frozen=wish.frozen or wish.in_guest,
        capture_in_guest=wish.in_guest,
        wanted=shape,
    )
