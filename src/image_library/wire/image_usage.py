"""Who needs an image, on the wire."""

from __future__ import annotations

from collections.abc import Iterable

from image_library.domain.derivation import derivation
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.vm import Vm
from limiquantix.storage.v1.image_pb import DerivedImage, ImageUsage, ImageUser


def usage_to_wire(
    *,
    image: Image,
    vms: Iterable[Vm],
    jobs: Iterable[Job],
    versions: Iterable[Image],
    derived: Iterable[Image],
    made_of: Iterable[Image],
) -> ImageUsage:
    return ImageUsage(
        image_id=image.id,
        vms=[_user(vm, image) for vm in vms],
        job_ids=[job.id for job in jobs],
        version_ids=[version.id for version in versions],
        derived=[_derived(one, one.converted_from) for one in derived],
        made_of=[_derived(one, image.converted_from) for one in made_of],
    )


def _user(vm: Vm, image: Image) -> ImageUser:
    disk = vm.report.disk
    kept = disk.snapshots if disk and image.digest else ()
    return ImageUser(
        id=vm.id,
        name=vm.name,
        node_id=vm.node_id,
        project_id=vm.project_id,
        state=vm.report.state.value,
        by_disk=vm.image_id == image.id,
        snapshots=[snapshot.name for snapshot in kept if snapshot.base_digest == image.digest],
    )


def _derived(image: Image, source: ConvertedFrom | None) -> DerivedImage:
    """The image at one end of a making that ``source`` tells of."""
    made = derivation(source) if source else None
    return DerivedImage(
        id=image.id,
        name=image.name,
        title=image.title,
        how=made.how.value if made else "",
        vm_id=made.vm_id if made else "",
        vm_name=made.vm_name if made else "",
    )
