"""Which versions a VM needs, as its node tells it: they have to stay for as long."""

from __future__ import annotations

from image_library.controlplane.ports.records import Records
from image_library.domain.image import Image
from image_library.domain.vm import Vm, VmBase
from image_library.domain.vm_disk import DiskReport, DiskTaskKind

GIB = 1 << 30


async def based(records: Records, vm: Vm) -> Vm:
    """The VM bound to the versions that its disk and its snapshots are built on, and to no other.

    It is the node that knows: a disk may have changed while the control plane was away.
    """
    disk = vm.report.disk
    if disk is None:
        return vm
    known = _known(vm)
    for digest in _needed(disk) - known.keys():
        found = await records.images.with_digest(digest)
        if found:
            known[digest] = _best(vm, found)
    vm = _sized(vm, disk)
    if disk.flat:
        vm = vm.evolve(image_id="", image_digest="", image_path="")
    elif disk.base_digest != vm.image_digest and disk.base_digest in known:
        base = known[disk.base_digest]
        vm = vm.evolve(image_id=base.image_id, image_digest=base.digest, image_name=base.name, image_path="")
    others = sorted(_needed(disk) - {disk.base_digest})
    return vm.evolve(bases=tuple(known[digest] for digest in others if digest in known))


def has_surplus(vm: Vm) -> bool:
    """Whether it is bound to a version that its node does not say it needs."""
    disk = vm.report.disk
    return disk is not None and any(base.digest not in _needed(disk) for base in vm.bases)


def bound_to(vm: Vm, image: Image) -> Vm:
    """The VM bound to one more version."""
    base = VmBase(image_id=image.id, digest=image.digest, name=image.name)
    return vm if base in vm.bases else vm.evolve(bases=(*vm.bases, base))


def kept_on(vm: Vm, image: Image) -> tuple[str, ...]:
    """The names of its snapshots that are built on that image."""
    disk = vm.report.disk
    snapshots = disk.snapshots if disk and image.digest else ()
    return tuple(one.name for one in snapshots if one.base_digest == image.digest)


def _needed(disk: DiskReport) -> frozenset[str]:
    task = disk.task
    if task is not None and task.live and task.kind is DiskTaskKind.REBASE:
        return disk.digests | {task.subject}
    return disk.digests


def _known(vm: Vm) -> dict[str, VmBase]:
    known = {base.digest: base for base in vm.bases}
    if vm.image_digest:
        own = VmBase(image_id=vm.image_id, digest=vm.image_digest, name=vm.image_name)
        known[vm.image_digest] = own
    return known


def _best(vm: Vm, found: tuple[Image, ...]) -> VmBase:
    """Several images may be the same bytes: the one of the name that the VM was made of, else the first."""
    image = next((image for image in found if image.name == vm.image_name), found[0])
    return VmBase(image_id=image.id, digest=image.digest, name=image.name)


def _sized(vm: Vm, disk: DiskReport) -> Vm:
    whole = disk.size_bytes % GIB == 0 and disk.size_bytes // GIB
    return vm.evolve(disk_gib=whole) if vm.disk_gib and whole else vm
