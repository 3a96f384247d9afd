"""What an UpdateImage request wants changed: its mask's fields, or without one those that are not empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from image_library.domain.errors import InvalidRequest, OutputOnlyField, printable
from image_library.domain.image import Deprecation, Requirements
from image_library.domain.image_update import FIELDS, ImageUpdate
from image_library.wire.image import exact_visibility
from image_library.wire.os_info import os_from_wire
from limiquantix.storage.v1 import image_pb

EVERYTHING = "*"
# Every field that an image has, and that a mask may therefore name by mistake.
_SHOWN = frozenset(
    field.name
    for message in (image_pb.Image, image_pb.ImageSpec, image_pb.ImageStatus)
    for field in message.desc().fields
)


def update_from_wire(request: image_pb.UpdateImageRequest) -> ImageUpdate:
    """Raises InvalidRequest or OutputOnlyField: the mask names what cannot be set, or a number is unknown."""
    mask = request.update_mask
    if mask is None or not mask.paths:
        said = {name: _READERS[name](request) for name in FIELDS if _is_said(request, name)}
        return ImageUpdate(values=said, adding=True, etag=request.etag)
    return ImageUpdate(values=_masked(request, mask.paths), etag=request.etag)


def _masked(request: image_pb.UpdateImageRequest, paths: list[str]) -> Mapping[str, Any]:
    # An empty name is no name: with "*" an image keeps the one it has.
    everything = [name for name in FIELDS if name != "name" or request.name]
    named = everything if EVERYTHING in paths else paths
    return {name: _READERS[_settable(name)](request) for name in named}


def _settable(path: str) -> str:
    if path in _READERS:
        return path
    whole = path.partition(".")[0]
    if whole in _READERS:
        raise InvalidRequest(
            f"The field {whole} is set as a whole.", remedy=f"Name '{whole}' in the mask.", field=path
        )
    if whole in _SHOWN:
        raise OutputOnlyField(f"The field '{printable(path)}' is not set from outside.", field=path)
    raise InvalidRequest(
        f"An image has no field '{printable(path)}'.", remedy=f"Use {', '.join(FIELDS)}, or '*'.", field=path
    )


def _is_said(request: image_pb.UpdateImageRequest, name: str) -> bool:
    """Whether a client that knows no masks has said something here."""
    if name == "deprecation":
        return request.deprecation is not None and request.deprecation.deprecated
    return bool(getattr(request, name)) if name not in ("os", "requirements") else request.has_field(name)


def _deprecation(request: image_pb.UpdateImageRequest) -> Deprecation | None:
    said = request.deprecation
    if said is None or not said.deprecated:
        return None
    return Deprecation(reason=said.reason, replacement=said.replacement)


def _requirements(request: image_pb.UpdateImageRequest) -> Requirements:
    said = request.requirements or image_pb.ImageRequirements()
    return Requirements(
        # Every machine has a processor: none is as many as not said.
        min_cpu=said.min_cpu or Requirements().min_cpu,
        min_memory_mib=said.min_memory_mib,
        min_disk_gib=said.min_disk_gib,
        firmware=tuple(said.supported_firmware),
        secure_boot=said.requires_secure_boot,
        tpm=said.requires_tpm,
    )


_READERS: dict[str, Callable[[image_pb.UpdateImageRequest], Any]] = {
    "name": lambda request: request.name,
    "description": lambda request: request.description,
    "labels": lambda request: dict(request.labels),
    "visibility": lambda request: exact_visibility(request.visibility),
    "shared_projects": lambda request: tuple(request.shared_projects),
    "protected": lambda request: request.protected,
    "hidden": lambda request: request.hidden,
    "deprecation": _deprecation,
    "os": lambda request: os_from_wire(request.os),
    "requirements": _requirements,
}
