"""Downloading an image of the catalog, for ``images download`` and ``launch``."""

from __future__ import annotations

from image_library.cli.clients import Library
from image_library.cli.lookup import is_ready
from image_library.cli.output import as_json
from image_library.cli.progress import described, follow
from image_library.cli.session import Session
from limiquantix.storage.v1.image_pb import (
    DownloadImageRequest,
    DownloadImageResponse,
    GetImageRequest,
    Image,
)


def download(session: Session, request: DownloadImageRequest, *, wait: bool) -> None:
    """Starts the download, follows it if told to, and prints how it ended."""
    started = session.library.images.download_image(request)
    if not wait:
        _say_started(session, started)
    elif _is_there(started):
        _say_there(session, started)
    else:
        last = follow(session.library, started.job_id, session.out)
        if session.json:
            session.out.document(as_json(last))
        else:
            session.out.line(described(last))


def fetched(session: Session, request: DownloadImageRequest, library: Library) -> Image | None:
    """The image, downloaded now unless it is there; None where the server tells nothing about it."""
    started = library.images.download_image(request)
    if _is_there(started):
        return started.image
    last = follow(library, started.job_id, session.out)
    image_id = last.image_id or (started.image.id if started.image else "")
    return library.images.get_image(GetImageRequest(id=image_id)) if image_id else None


def _is_there(started: DownloadImageResponse) -> bool:
    return not started.job_id or (started.image is not None and is_ready(started.image))


def _say_started(session: Session, started: DownloadImageResponse) -> None:
    if session.json:
        session.out.document(as_json(started))
    elif _is_there(started):
        _say_there(session, started)
    else:
        session.out.line(started.job_id)
        session.out.note(f"Watch it: limiquantix jobs watch {started.job_id}")


def _say_there(session: Session, started: DownloadImageResponse) -> None:
    if session.json:
        session.out.document(as_json(started))
    else:
        session.out.line(f"{started.image.name if started.image else 'The image'} is there already.")
