"""What versions are called: the one that a name points to, and the publisher's own name of a build."""

from __future__ import annotations

from image_library.controlplane.ports.records import Records
from image_library.domain.image import Image


async def point_to(records: Records, image: Image) -> Image:
    """The image as the one that its name points to; it is the caller's to save."""
    if image.current:
        return image
    for other in await records.images.named(image.name, image.project_id):
        await records.images.save(other.evolve(current=False, newer=""))
    return image.evolve(current=True, newer="")


async def released(records: Records, image: Image) -> Image:
    """The image with the build's name, as far as its publisher was heard to say it of these bytes."""
    heard = await records.refreshes.finding(image.catalog_id, image.os.architecture)
    answer = heard.answer if heard else None
    same = answer is not None and answer.digest in image.digests
    return image.evolve(release=answer.version) if answer and same and answer.version else image
