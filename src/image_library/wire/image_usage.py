"""Who needs an image, on the wire."""

from __future__ import annotations

from collections.abc import Iterable

from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.vm import Vm
from limiquantix.storage.v1.image_pb import ImageUsage, ImageUser


def usage_to_wire(
    image: Image, vms: Iterable[Vm], *, jobs: Iterable[Job], versions: Iterable[Image]
) -> ImageUsage:
    return ImageUsage(
        image_id=image.id,
        vms=[_user(vm) for vm in vms],
        job_ids=[job.id for job in jobs],
        version_ids=[version.id for version in versions],
    )


def _user(vm: Vm) -> ImageUser:
    state = vm.report.state.value
    return ImageUser(id=vm.id, name=vm.name, node_id=vm.node_id, project_id=vm.project_id, state=state)
