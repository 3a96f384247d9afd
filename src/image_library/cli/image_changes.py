"""Sending a change of an image: the fields that it names and no others, and only if nobody was quicker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from protobuf.wkt import FieldMask

from image_library.cli.lookup import the_image
from image_library.cli.output import as_json
from image_library.cli.session import Session
from image_library.domain.errors import InvalidRequest, printable
from limiquantix.storage.v1.image_pb import Image, ImageSpec, UpdateImageRequest

# From the image as it is to the fields that are to be set.
Wanted = Callable[[Image], Mapping[str, Any]]


def update(session: Session, wanted: str, changes: Wanted) -> None:
    """Raises ImageChanged where somebody changed the image since it was read."""
    library = session.library
    image = the_image(library, wanted)
    values = changes(image)
    mask = FieldMask(paths=list(values))
    request = UpdateImageRequest(id=image.id, etag=image.etag, update_mask=mask, **values)
    after = library.images.update_image(request)
    if session.json:
        session.out.document(as_json(after))
    elif after.etag == image.etag:
        session.out.line(f"{after.name} is so already.")
    else:
        session.out.line(f"Changed {after.name}.")


def changes_of(
    *,
    description: str | None,
    labels: list[str],
    unlabels: list[str],
    visibility: str,
    shares: list[str],
    unshares: list[str],
    name: str,
) -> Wanted:
    """What the options of ``images set`` ask for.

    Raises:
        InvalidRequest: they ask for nothing, or a label has no '='.
    """
    pairs = dict(_pair(label) for label in labels)
    if description is None and not (pairs or unlabels or visibility or shares or unshares or name):
        raise InvalidRequest("Nothing is to be changed.", remedy="See 'limiquantix images set --help'.")

    def values(image: Image) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        if description is not None:
            found["description"] = description
        if pairs or unlabels:
            kept = {key: value for key, value in image.labels.items() if key not in unlabels}
            found["labels"] = kept | pairs
        if visibility:
            found["visibility"] = ImageSpec.Visibility[visibility.upper()]
        if shares or unshares:
            found["shared_projects"] = _projects(image, shares, unshares)
        if name:
            found["name"] = name
        return found

    return values


def _projects(image: Image, shares: Iterable[str], unshares: Iterable[str]) -> list[str]:
    before = image.spec.shared_projects if image.spec else []
    gone = frozenset(unshares)
    return [project for project in dict.fromkeys([*before, *shares]) if project not in gone]


def _pair(label: str) -> tuple[str, str]:
    key, equals, value = label.partition("=")
    if not equals:
        raise InvalidRequest(f"The label '{printable(label)}' has no '='.", remedy="Give --label KEY=VALUE.")
    return key, value
