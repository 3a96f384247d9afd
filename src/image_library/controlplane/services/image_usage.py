"""Who needs an image: VMs on it, the jobs that bring it; its other versions, and what was made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.vm_records import shown, sight
from image_library.domain.errors import printable
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.vm import Vm

# An error that names a thousand VMs names none.
MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class ImageUsage:
    image: Image
    vms: tuple[Vm, ...] = ()
    # Those that have not ended.
    jobs: tuple[Job, ...] = ()
    # Other versions of its name.
    versions: tuple[Image, ...] = ()
    # Images that were made of it, or of VMs on it, and what it was made of itself.
    derived: tuple[Image, ...] = ()
    made_of: tuple[Image, ...] = ()


class ImageUsages:
    def __init__(self, *, database: Database, images: ImageService) -> None:
        self._database = database
        self._images = images

    async def of(self, name: str) -> ImageUsage:
        """Raises UnknownImage or AmbiguousImage."""
        async with self._database.read() as records:
            image = await self._images.get_in(records, name)
            seen = await sight(records)
            source = image.converted_from.digest if image.converted_from else ""
            versions = await records.images.versions(image.name, image.project_id)
            return ImageUsage(
                image=image,
                vms=tuple(shown(vm, seen) for vm in await records.vms.using(image.id)),
                jobs=await live_jobs(records, image.id),
                versions=tuple(v for v in versions if v.id != image.id),
                derived=await records.images.made_of(image.digest),
                made_of=await records.images.with_digest(source) if source else (),
            )


async def live_jobs(records: Records, image_id: str) -> tuple[Job, ...]:
    return tuple(job for job in await records.jobs.of_image(image_id) if not job.state.ended)


async def coming(records: Records, image_id: str) -> tuple[Job, ...]:
    """Live jobs that make the image present somewhere."""
    return tuple(job for job in await live_jobs(records, image_id) if job.kind.brings)


def told(names: Iterable[str]) -> str:
    """The names as part of a sentence: the first ten, and how many more there are."""
    listed = [printable(name) for name in names]
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
