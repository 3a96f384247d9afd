"""Proving that an image boots: a throw-away VM on a node that holds it, as a job like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_runs import DownloadRuns
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.vm_orders import VmOrders
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import ImageNotReady, InvalidUserData, UnsupportedFeature
from image_library.domain.image import Image, ImageFormat, ImagePhase
from image_library.domain.job import Job, JobKind
from image_library.domain.machine import order_of
from image_library.domain.os_info import OsFamily, ProvisioningMethod
from image_library.domain.proof_order import KEY_LINE, ProofOrder, takes_key, valid_timeout
from image_library.domain.secret import Secret
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import Vm
from image_library.domain.vm_wish import DiskWish, VmWish

log = structlog.get_logger()

_BOOTABLE = (ImageFormat.QCOW2, ImageFormat.RAW)
# With the others, a user and a key cannot be told to a guest from here.
_TOLD_A_KEY = (ProvisioningMethod.UNKNOWN, ProvisioningMethod.CLOUD_INIT)


@dataclass(frozen=True, kw_only=True)
class ProofWish:
    """What somebody wants to have tried; an empty node is chosen by us."""

    image: str
    profile: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_parameters: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    # 0: the default.
    timeout_seconds: int = 0
    # Id or host name.
    node: str = ""


class BootProofs:
    def __init__(
        self,
        *,
        database: Database,
        images: ImageService,
        orders: VmOrders,
        runs: DownloadRuns,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._images = images
        self._orders = orders
        self._runs = runs
        self._clock = clock
        self._new_id = new_id

    async def start(self, wish: ProofWish, *, key: str = "") -> Job:
        """The job that tries it; asking twice for the same makes one job.

        The job that a call with the same key has begun is the answer also once it has ended.

        Raises:
            UnknownImage, AmbiguousImage, UnknownNode, UnknownProfile: there is none, or several.
            ImageNotReady: no node that is ready holds it.
            UnsupportedFeature: it is no disk that boots by itself.
            InvalidRequest: the time is none that a boot may take.
            LibraryError: a VM of it would be refused, such as for too little trust.
        """
        seconds = valid_timeout(wish.timeout_seconds)
        async with self._database.read() as records:
            made = await records.calls.made(key)
            known = await records.jobs.get(made["job"]) if made else None
        if known is None:
            image = _judged(await self._images.get(wish.image))
            known = await self._begun(image, await self._order(wish, image, seconds), key)
        if not known.state.ended:
            self._runs.start(known)
        return self._runs.latest(known)

    async def _order(self, wish: ProofWish, image: Image, seconds: int) -> tuple[Vm, ProofOrder]:
        can_log_in = _can_log_in(image)
        said = Provisioning(ssh_authorized_keys=(KEY_LINE,)) if can_log_in else Provisioning()
        vm = await self._orders.tried(
            VmWish(
                name=f"proof-{image.name}"[:63],
                project_id=image.project_id,
                disks=(DiskWish(image=image.id),),
                provisioning=said,
                node=wish.node,
                profile=wish.profile,
                parameters=wish.parameters,
                secret_parameters=wish.secret_parameters,
            )
        )
        if can_log_in and not takes_key(vm.seed):
            raise InvalidUserData("The guest would not be told of the key to log in with.", field="profile")
        prove = ProofOrder(
            machine=order_of(vm),
            login_user=vm.ssh_user if can_log_in else "",
            timeout_seconds=seconds,
            profile=vm.profile,
        )
        return vm, prove

    async def _begun(self, image: Image, planned: tuple[Vm, ProofOrder], key: str) -> Job:
        vm, prove = planned
        async with self._database.write() as records:
            same = await _same(records, vm, prove)
            if same is None:
                same = await self._job(records, image, vm)
                await records.jobs.add(same, _job_order(same, prove))
                log.info("proof_planned", job_id=same.id, digest=vm.image_digest, node_id=vm.node_id)
            await records.calls.note(key, job=same.id)
        return same

    async def _job(self, records: Records, image: Image, vm: Vm) -> Job:
        node = await records.nodes.get(vm.node_id)
        now = self._clock.now()
        return Job(
            id=self._new_id(),
            kind=JobKind.PROVE,
            image_id=image.id,
            image_name=image.name,
            catalog_id=image.catalog_id,
            node_id=vm.node_id,
            pool_id=node.store_id if node else "",
            architecture=image.os.architecture,
            created_at=now,
            updated_at=now,
        )


def _judged(image: Image) -> Image:
    if image.phase is not ImagePhase.READY or not image.digest:
        local = bool(image.ready_placements) and not image.digest
        remedy = f"Adopt it first: 'limiquantix images adopt {image.name}'." if local else ""
        raise ImageNotReady(
            f"'{image.title}' has no bytes that are stored by a digest.", remedy=remedy, field="image"
        )
    if image.format not in _BOOTABLE:
        raise UnsupportedFeature(
            f"'{image.title}' is {image.format.value}, and no disk that boots by itself.",
            remedy="Convert it first ('limiquantix images convert'); an ISO cannot be proved.",
            field="image",
        )
    return image


def _can_log_in(image: Image) -> bool:
    return image.os.family is not OsFamily.WINDOWS and image.os.provisioning_method in _TOLD_A_KEY


async def _same(records: Records, vm: Vm, prove: ProofOrder) -> Job | None:
    """The live job that tries the same."""
    for job in await records.jobs.of_image(vm.image_id):
        if job.kind is not JobKind.PROVE or job.state.ended or job.node_id != vm.node_id:
            continue
        order = await records.jobs.order(job.id)
        if order and order.prove and replace(prove, machine=order.prove.machine) == order.prove:
            return job
    return None


def _job_order(job: Job, prove: ProofOrder) -> DownloadOrder:
    return DownloadOrder(
        job_id=job.id,
        image_id=job.image_id,
        url="",
        filename="",
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        prove=prove,
    )
