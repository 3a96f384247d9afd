"""What people may say of an image, and how it is judged. All of it belongs to one version, but for the name.

A field that is not named here is the server's own: it is never set from outside.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from image_library.domain.errors import ImageChanged, InvalidRequest, printable
from image_library.domain.identity import LINUX_USER, WINDOWS_USER, valid_name, valid_user
from image_library.domain.image import Deprecation, Image, Requirements
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.texts import named, readable

T = TypeVar("T", OsInfo, Requirements)

MOST_LABELS = 64
LONGEST_KEY = 63
LONGEST_VALUE = 255
LONGEST_DESCRIPTION = 4096
LONGEST_REASON = 1024
MOST_PROJECTS = 256
_LONGEST_WORD = 63
_FIRMWARE = ("bios", "uefi")
_MOST_CPUS = 4096
_MOST_MEMORY_MIB = 1 << 30
_MOST_DISK_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class ImageUpdate:
    """New values by the name of the image's field."""

    values: Mapping[str, Any]
    # The words of a client that cannot say "empty": they are added to what is there, nothing is taken away.
    adding: bool = False
    # Of the image that the caller saw; empty: whatever it is now.
    etag: str = ""


def updated(image: Image, update: ImageUpdate) -> Image:
    """The image as the update wants it; the same one where it wants nothing new.

    Raises:
        ImageChanged: the caller saw an older one.
        InvalidName, InvalidCharacter, InvalidUser, InvalidRequest: a value cannot be kept.
    """
    same_etag(image, update.etag)
    values = {name: _JUDGES[name](value) for name, value in update.values.items()}
    if update.adding:
        values = {name: _added(getattr(image, name), value) for name, value in values.items()}
    changed = image.evolve(**values)
    _labels(changed.labels)
    return image if changed == image else changed.evolve(revision=image.revision + 1)


def same_etag(image: Image, etag: str) -> None:
    """Raises ImageChanged where the caller has seen another state of the image than this."""
    if etag not in ("", image.etag):
        raise ImageChanged(f"'{image.title}' was changed since it was read.", field="etag")


def labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, judged. Raises InvalidCharacter or InvalidRequest."""
    return _labels(labels)


def description_of(text: str) -> str:
    """The description, judged. Raises InvalidCharacter or InvalidRequest."""
    return readable(text, field="description", most=LONGEST_DESCRIPTION, lines=True)


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    if len(labels) > MOST_LABELS:
        raise InvalidRequest(
            f"There are {len(labels)} labels; at most {MOST_LABELS} are kept.", field="labels"
        )
    return {
        named(key, field="labels", most=LONGEST_KEY): readable(value, field="labels", most=LONGEST_VALUE)
        for key, value in labels.items()
    }


def _projects(projects: Iterable[str]) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(named(p, field="shared_projects", most=_LONGEST_WORD) for p in projects))
    if len(kept) > MOST_PROJECTS:
        raise InvalidRequest(
            f"An image is shared with at most {MOST_PROJECTS} projects.", field="shared_projects"
        )
    return kept


def _deprecation(deprecation: Deprecation | None) -> Deprecation | None:
    if deprecation is not None:
        readable(deprecation.reason, field="deprecation.reason", most=LONGEST_REASON)
        readable(deprecation.replacement, field="deprecation.replacement", most=LONGEST_VALUE)
    return deprecation


def _os(os: OsInfo) -> OsInfo:
    for name in ("distribution", "version", "architecture"):
        readable(getattr(os, name), field=f"os.{name}", most=_LONGEST_WORD)
    if os.default_user:
        valid_user(os.default_user, WINDOWS_USER if os.family is OsFamily.WINDOWS else LINUX_USER)
    return os


def _requirements(needs: Requirements) -> Requirements:
    unknown = [kind for kind in needs.firmware if kind not in _FIRMWARE]
    if unknown:
        raise InvalidRequest(
            f"The firmware '{printable(unknown[0])}' is not known here.",
            remedy=f"Known are {' and '.join(_FIRMWARE)}.",
            field="requirements.supported_firmware",
        )
    for name, most in (
        ("min_cpu", _MOST_CPUS),
        ("min_memory_mib", _MOST_MEMORY_MIB),
        ("min_disk_gib", _MOST_DISK_GIB),
    ):
        if getattr(needs, name) > most:
            raise InvalidRequest(f"The {name} is larger than any machine has.", field=f"requirements.{name}")
    return needs


def _as_it_is(value: Any) -> Any:
    return value


_JUDGES: dict[str, Callable[[Any], Any]] = {
    "name": valid_name,
    "description": description_of,
    "labels": _labels,
    "visibility": _as_it_is,
    "shared_projects": _projects,
    "protected": _as_it_is,
    "hidden": _as_it_is,
    "deprecation": _deprecation,
    "os": _os,
    "requirements": _requirements,
}
# What may be set, in the order in which it is told.
FIELDS = tuple(_JUDGES)


def _added(before: Any, new: Any) -> Any:
    if isinstance(new, Mapping):
        return {**before, **cast("Mapping[str, str]", new)}
    if isinstance(new, OsInfo):
        return _filled(before, new)
    return _filled(before, new) if isinstance(new, Requirements) else new


def _filled(before: T, new: T) -> T:
    """``before`` with those of the new values that say something."""
    nothing = type(new)()
    said = {f.name: getattr(new, f.name) for f in dataclasses.fields(new)}
    return replace(before, **{name: value for name, value in said.items() if value != getattr(nothing, name)})
