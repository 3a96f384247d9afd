"""Whether a name is free, and the way out where what has it came to nothing."""

from __future__ import annotations

from image_library.controlplane.ports.records import Records
from image_library.domain.errors import NameTaken
from image_library.domain.image import Image, ImagePhase


async def demand_free(records: Records, name: str, project_id: str) -> None:
    """Raises NameTaken: an image of the project has the name."""
    for other in await records.images.named(name, project_id):
        raise await taken(records, other)


async def taken(records: Records, other: Image) -> NameTaken:
    """The refusal of a name that ``other`` has."""
    remedy = ""
    if other.phase is ImagePhase.ERROR:
        delete = f"'limiquantix images delete {other.name}'"
        remedy = f"That one came to nothing. Delete it: {delete}."
        for job in (await records.jobs.of_image(other.id))[:1]:
            if job.kind.repeatable:
                retry = f"'limiquantix jobs retry {job.id}'"
                remedy = f"Try its job again: {retry}; or delete it: {delete}."
    return NameTaken(f"An image '{other.name}' exists already.", remedy=remedy, field="name")
