"""The ISO image that a VM has as a second disc: found by its name, and still whole where the VM will be."""

from __future__ import annotations

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.vm_source import Naming, usable_copy
from image_library.domain.errors import ImageNotReady, InvalidRequest, UnknownImage, printable
from image_library.domain.image import Image, ImageFormat, ImagePhase
from image_library.domain.vm import Vm

FIELD = "spec.driver_iso"


class DriverDiscs:
    def __init__(self, *, database: Database, names: Naming) -> None:
        self._database = database
        self._names = names

    async def find(self, name: str, *, project: str) -> Image | None:
        """The image among those that the project may use; None where none is asked for.

        Raises:
            UnknownImage, AmbiguousImage: the name stands for none, or for several.
            InvalidRequest: it is no ISO image.
            ImageNotReady: it is on no node as a version that cannot change.
        """
        if not name:
            return None
        async with self._database.read() as records:
            found = await self._names.resolve_in(records, name, project=project)
        if not isinstance(found, Image):
            raise ImageNotReady(
                f"'{printable(name)}' is on no node yet.",
                remedy=f"Download it first: 'limiquantix images download {printable(name)}'.",
                field=FIELD,
            )
        _judge(found)
        return found


def _judge(image: Image) -> None:
    if image.phase is not ImagePhase.READY or not image.digest:
        raise ImageNotReady(f"Image '{image.title}' is not ready on any node.", field=FIELD)
    if image.format is not ImageFormat.ISO:
        raise InvalidRequest(
            f"A disc with drivers is an ISO image; '{image.title}' is {image.format.value}.", field=FIELD
        )


async def with_disc(records: Records, vm: Vm, disc: Image | None) -> Vm:
    """The VM with its disc. Call it where the VM is saved, in one transaction: its row keeps the image.

    Raises:
        UnknownImage: it was deleted, or taken back, meanwhile.
        ImageNotReady: the VM's node has no whole copy of it.
    """
    if disc is None:
        return vm
    image = await records.images.get(disc.id)
    if image is None or not image.usable_by(vm.project_id):
        raise UnknownImage(f"There is no image '{disc.title}'.", field=FIELD)
    _judge(image)
    if usable_copy(image, vm.node_id) is None:
        raise ImageNotReady(
            f"Image '{image.title}' is not on the VM's node.",
            remedy=f"Put it there first: 'limiquantix images place {image.title} --nodes {vm.node_id}'.",
            field=FIELD,
        )
    return vm.evolve(driver_image_id=image.id, driver_image_name=image.title, driver_digest=image.digest)
