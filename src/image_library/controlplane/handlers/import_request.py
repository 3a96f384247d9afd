"""What ImportImage and CreateImage ask for. Zero in an enum may be a client that does not know the field."""

from __future__ import annotations

from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.domain.errors import InvalidRequest
from image_library.domain.image import ImageFormat
from image_library.wire.image import exact_format, exact_visibility, format_from_wire
from image_library.wire.os_info import os_from_wire, requirements_from_wire
from limiquantix.storage.v1 import image_pb as pb

_NOT_TAKEN = {
    "file_path": "Put the file into a node's cloud-images folder and scan it: 'limiquantix images scan'.",
    "volume_id": "Export the volume to a URL and import that.",
    "container_image": "Import a disk image by its URL.",
}


# Fields that the request and the wish call alike.
_PLAIN = (
    *("url", "checksum", "checksum_type", "checksum_url", "size_bytes"),
    *("format", "target_format", "target_compression"),
)


def import_wish(request: pb.ImportImageRequest, key: str) -> ImportWish:
    """Raises InvalidRequest: a number is none of the contract's."""
    plain = {name: getattr(request, name) for name in _PLAIN}
    node, pool = request.node_id, request.storage_pool_id
    return ImportWish(image=_told(request), node=node, pool_id=pool, key=key, **plain)


def _told(request: pb.ImportImageRequest) -> Description:
    return Description(
        name=request.name,
        description=request.description,
        project_id=request.project_id,
        labels=dict(request.labels),
        visibility=exact_visibility(request.visibility),
        os=os_from_wire(request.os_info),
    )


def described(request: pb.CreateImageRequest) -> Description:
    """Raises InvalidRequest: a number is none of the contract's."""
    spec = request.spec or pb.ImageSpec()
    return Description(
        name=request.name,
        description=request.description,
        project_id=request.project_id,
        labels=dict(request.labels),
        visibility=exact_visibility(spec.visibility),
        os=os_from_wire(spec.os),
        requirements=requirements_from_wire(spec.requirements),
        catalog_id=spec.catalog_id,
        format=_format(request),
    )


def _format(request: pb.CreateImageRequest) -> ImageFormat | None:
    """With a URL, zero leaves it to the file's name; without, it is RAW, as it was written."""
    if request.spec is None:
        return None
    return format_from_wire(request.spec.format) if source_url(request) else exact_format(request.spec.format)


def source_url(request: pb.CreateImageRequest) -> str:
    """The URL that the bytes are to come from; empty where they are to be uploaded.

    Raises:
        InvalidRequest: they are to come from somewhere else.
    """
    if request.source is None:
        return ""
    source = request.source.source
    if source is not None and source.field != "url":
        named = source.field.replace("_", " ")
        remedy = _NOT_TAKEN[source.field]
        raise InvalidRequest(f"An image is not made from a {named}.", remedy=remedy, field="source")
    if source is None or not source.value:
        raise InvalidRequest("The source has no URL.", remedy="Give one, or no source.", field="source.url")
    return source.value


def created_from(request: pb.CreateImageRequest, key: str) -> ImportWish:
    """The import that a CreateImage with a URL is."""
    source = request.source or pb.ImageSourceSpec()
    return ImportWish(
        image=described(request),
        url=source_url(request),
        checksum=source.checksum,
        checksum_type=source.checksum_type,
        node=request.node_id,
        key=key,
    )
