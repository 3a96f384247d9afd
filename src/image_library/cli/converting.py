"""Conversions that ``images convert`` and ``images export --format`` ask for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from image_library.cli.lookup import the_image
from image_library.cli.progress import follow
from image_library.cli.session import Session
from image_library.domain.errors import NameTaken
from limiquantix.storage.v1.image_pb import ConvertImageRequest, DeleteImageRequest, Image, ImageStatus
from limiquantix.storage.v1.trust_pb import ConvertedFrom


def conversion(session: Session, image: str, *, format_: str, compress: str) -> ConvertImageRequest:
    """Raises UnknownImage."""
    found = the_image(session.library, image)
    return ConvertImageRequest(image=found.id, format=format_, compression=compress)


@contextmanager
def converted(session: Session, image: str, *, format_: str, compress: str) -> Generator[str]:
    """The id of a new image in that format, which goes when the block ends well.

    One that an interrupted export left is taken up again.
    """
    source = the_image(session.library, image)
    if not compress and _named(source) == format_.lower():
        yield source.id
        return
    wanted = ConvertImageRequest(image=source.id, format=format_, compression=compress)
    wanted.name = f"{source.name[:40]}-export-{source.id[:8]}-{format_.lower()}"
    try:
        job = session.library.images.convert_image(wanted)
        made = follow(session.library, job.job_id, session.out).image_id
    except NameTaken:
        left = the_image(session.library, wanted.name)
        if _source(left).digest != (source.status or ImageStatus()).digest:
            raise
        made = left.id
    yield made
    session.library.images.delete_image(DeleteImageRequest(id=made))


def _named(image: Image) -> str:
    return image.spec.format.name.lower() if image.spec else ""


def _source(image: Image) -> ConvertedFrom:
    status = image.status or ImageStatus()
    return status.converted_from or ConvertedFrom()
