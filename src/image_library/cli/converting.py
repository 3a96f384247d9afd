"""Conversions that ``images convert`` and ``images export --format`` ask for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

from image_library.cli.lookup import the_image
from image_library.cli.progress import follow
from image_library.cli.session import Session
from image_library.domain.errors import LibraryError, UnknownImage
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
    made = _left(session, wanted.name, source) or _made(session, wanted)
    try:
        yield made
    except (KeyboardInterrupt, LibraryError):
        session.out.note(f"What was made for it stays as the image '{wanted.name}'.")
        session.out.note("The same command goes on with it, and removes it when the file is written.")
        raise
    session.library.images.delete_image(DeleteImageRequest(id=made))


def _left(session: Session, name: str, source: Image) -> str:
    """The id of the image that an interrupted export has left, or ""; one that came to nothing goes."""
    try:
        left = the_image(session.library, name)
    except UnknownImage:
        return ""
    status = left.status or ImageStatus()
    if status.phase is ImageStatus.Phase.ERROR:
        session.library.images.delete_image(DeleteImageRequest(id=left.id))
        return ""
    return left.id if _source(left).digest == (source.status or ImageStatus()).digest else ""


def _made(session: Session, wanted: ConvertImageRequest) -> str:
    """The id of a new image, which is not left where it came to nothing."""
    job = session.library.images.convert_image(wanted)
    try:
        return follow(session.library, job.job_id, session.out).image_id
    except LibraryError:
        with suppress(LibraryError):
            session.library.images.delete_image(DeleteImageRequest(id=job.image_id))
        raise


def _named(image: Image) -> str:
    return image.spec.format.name.lower() if image.spec else ""


def _source(image: Image) -> ConvertedFrom:
    status = image.status or ImageStatus()
    return status.converted_from or ConvertedFrom()
