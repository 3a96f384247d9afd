"""Importing from a URL, for ``images import``: the request from words, and following it to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from image_library.cli.output import as_json
from image_library.cli.progress import described, follow
from image_library.cli.session import Session
from image_library.domain.errors import InvalidRequest, printable
from limiquantix.storage.v1.image_pb import (
    GetImageRequest,
    ImageSpec,
    ImageStatus,
    ImportImageRequest,
    OsInfo,
)
from limiquantix.storage.v1.trust_pb import TrustLevel

E = TypeVar("E", bound=IntEnum)


class OsWords(NamedTuple):
    """What is said of the operating system; empty: the server looks at the URL's file name."""

    family: str
    distribution: str
    version: str
    architecture: str
    user: str
    provisioning: str


def request_for(
    *, url: str, name: str, labels: Iterable[str], visibility: str, os: OsWords
) -> ImportImageRequest:
    """Raises InvalidRequest: a word is none that is known."""
    return ImportImageRequest(
        url=url,
        name=name,
        labels=dict(map(_label, labels)),
        visibility=_chosen(ImageSpec.Visibility, visibility, "visibility"),
        os_info=_os(os) if any(os) else None,
    )


def import_from(session: Session, request: ImportImageRequest, *, wait: bool) -> None:
    """Starts the import, warns when nothing proves it, follows it if told to, and prints how it ended."""
    started = session.library.images.import_image(request)
    if not (request.checksum or request.checksum_url):
        session.out.warn(
            "Nothing proves what these bytes are: the image will be unverified. "
            "Give --checksum if you have one."
        )
    if not wait:
        _say_started(session, started.job_id, document=as_json(started))
        return
    last = follow(session.library, started.job_id, session.out)
    image = session.library.images.get_image(GetImageRequest(id=last.image_id))
    if session.json:
        session.out.document({"job": as_json(last), "image": as_json(image)})
        return
    session.out.line(described(last))
    status = image.status or ImageStatus()
    if status.trust is TrustLevel.UNVERIFIED:
        session.out.line(f"Unverified. It was measured as {status.digest}.")


def _say_started(session: Session, job_id: str, *, document: Mapping[str, Any]) -> None:
    if session.json:
        session.out.document(document)
    else:
        session.out.line(job_id)
        session.out.note(f"Watch it: limiquantix jobs watch {job_id}")


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InvalidRequest(f"'{printable(text)}' is not KEY=VALUE.", field="label")
    return key, value


def _os(said: OsWords) -> OsInfo:
    return OsInfo(
        family=_chosen(OsInfo.OsFamily, said.family or "unknown", "os-family"),
        distribution=said.distribution,
        version=said.version,
        architecture=said.architecture,
        default_user=said.user,
        provisioning_method=_chosen(
            OsInfo.ProvisioningMethod, said.provisioning or "provisioning_unknown", "os-provisioning"
        ),
    )


def _chosen(kinds: type[E], word: str, field: str) -> E:
    found = next((kind for kind in kinds if kind.name.lower() == word.lower()), None)
    if found is None:
        known = ", ".join(kind.name.lower() for kind in kinds)
        raise InvalidRequest(f"'{printable(word)}' is not known.", remedy=f"Use {known}.", field=field)
    return found
