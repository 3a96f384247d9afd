"""What people say of an image: judged, kept, and refused where somebody was quicker."""

from __future__ import annotations

from typing import Any

import pytest

from image_library.domain.errors import (
    ImageChanged,
    ImageDeleting,
    InvalidCharacter,
    InvalidName,
    InvalidRequest,
    LibraryError,
    NameTaken,
    UnknownImage,
)
from image_library.domain.image import Deprecation, ImagePhase, Requirements, Visibility
from image_library.domain.image_update import FIELDS, ImageUpdate
from image_library.domain.os_info import OsFamily, OsInfo
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import OTHER_DIGEST, a_node, a_ready_image, an_image


def said(*, adding: bool = False, etag: str = "", **values: Any) -> ImageUpdate:
    return ImageUpdate(values=values, adding=adding, etag=etag)


async def test_every_field_is_set_and_can_be_emptied_again(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    values: dict[str, Any] = {
        "name": "golden",
        "description": "Ours.\nSecond line.",
        "labels": {"tier": "web"},
        "visibility": Visibility.PROJECT,
        "shared_projects": ("a", "b"),
        "protected": True,
        "hidden": True,
        "deprecation": Deprecation(reason="Old.", replacement="debian-12"),
        "os": OsInfo(family=OsFamily.LINUX, distribution="debian"),
        "requirements": Requirements(min_cpu=2, firmware=("uefi",)),
    }
    assert tuple(values) == FIELDS
    image = await plane.edits.update("image-1", said(**values))
    assert {name: getattr(image, name) for name in values} == values
    assert (image.revision, image.sequence) == (2, (await plane.image("image-1")).sequence)
    empty: dict[str, Any] = {"description": "", "labels": {}, "deprecation": None, "shared_projects": ()}
    image = await plane.edits.update("golden", said(**empty))
    assert {name: getattr(image, name) for name in empty} == empty
    assert image.revision == 3


async def test_an_old_client_adds_and_clears_nothing(plane: Plane) -> None:
    os = OsInfo(distribution="debian", version="12")
    await plane.know(a_node(), a_ready_image(labels={"a": "1"}, description="Kept.", os=os))
    new = said(adding=True, labels={"b": "2"}, os=OsInfo(default_user="ops"))
    image = await plane.edits.update("image-1", new)
    assert image.labels == {"a": "1", "b": "2"}
    assert image.description == "Kept."
    assert (image.os.distribution, image.os.version, image.os.default_user) == ("debian", "12", "ops")


async def test_what_changes_nothing_is_no_change(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(description="Same."))
    before = await plane.image("image-1")
    after = await plane.edits.update("image-1", said(description="Same."))
    assert (after.etag, after.sequence) == (before.etag, before.sequence)


async def test_who_saw_an_older_image_changes_nothing(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    seen = (await plane.image("image-1")).etag
    await plane.edits.update("image-1", said(etag=seen, description="First."))
    with pytest.raises(ImageChanged):
        await plane.edits.update("image-1", said(etag=seen, description="Second."))
    assert (await plane.image("image-1")).description == "First."


@pytest.mark.parametrize(
    ("values", "error", "field"),
    [
        ({"name": "../etc"}, InvalidName, "name"),
        ({"description": "x" * 4097}, InvalidRequest, "description"),
        ({"description": "right\u202eto left"}, InvalidCharacter, "description"),
        ({"description": "zero\u200bwidth"}, InvalidCharacter, "description"),
        ({"labels": {str(n): "" for n in range(65)}}, InvalidRequest, "labels"),
        ({"labels": {"k" * 64: "v"}}, InvalidRequest, "labels"),
        ({"labels": {"k": "v" * 256}}, InvalidRequest, "labels"),
        ({"labels": {" ": "v"}}, InvalidRequest, "labels"),
        ({"labels": {"k\n": "v"}}, InvalidCharacter, "labels"),
        ({"shared_projects": ("",)}, InvalidRequest, "shared_projects"),
        ({"shared_projects": tuple(str(n) for n in range(257))}, InvalidRequest, "shared_projects"),
        ({"deprecation": Deprecation(reason="\x1b[31m")}, InvalidCharacter, "deprecation.reason"),
        ({"deprecation": Deprecation(replacement="nothing")}, UnknownImage, "deprecation.replacement"),
        ({"deprecation": Deprecation(replacement="image-1")}, InvalidRequest, "deprecation.replacement"),
        ({"os": OsInfo(distribution="x" * 64)}, InvalidRequest, "os.distribution"),
        ({"os": OsInfo(default_user="Root!")}, LibraryError, "default_user"),
        ({"requirements": Requirements(firmware=("coreboot",))}, InvalidRequest, None),
        ({"requirements": Requirements(min_cpu=1 << 20)}, InvalidRequest, "requirements.min_cpu"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_field(
    plane: Plane, values: dict[str, Any], error: type[LibraryError], field: str | None
) -> None:
    await plane.know(a_node(), a_ready_image())
    before = await plane.image("image-1")
    with pytest.raises(error) as refused:
        await plane.edits.update("image-1", said(**values))
    assert field in (None, refused.value.field)
    assert await plane.image("image-1") == before


async def test_the_place_of_a_character_that_is_not_seen_is_told(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    with pytest.raises(InvalidCharacter, match=r"U\+202E at position 3"):
        await plane.edits.update("image-1", said(description="ab\u202ec"))


async def test_limits_are_reached_and_not_passed(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    labels = {f"{n:063}": "v" * 255 for n in range(64)}
    image = await plane.edits.update("image-1", said(labels=labels, description="x" * 4096))
    assert (len(image.labels), len(image.description)) == (64, 4096)
    with pytest.raises(InvalidRequest, match="65 labels"):
        await plane.edits.update("image-1", said(adding=True, labels={"one": "more"}))


async def test_a_new_name_is_every_versions(plane: Plane) -> None:
    await plane.know(
        a_node(),
        a_ready_image("v1", name="web", version=1, current=False),
        a_ready_image("v2", name="web", version=2, digest=OTHER_DIGEST),
    )
    await plane.edits.update("web", said(name="golden"))
    found = [(await plane.images.get(n)).id for n in ("golden", "golden@1", "golden@2")]
    assert found == ["v2", "v1", "v2"]
    with pytest.raises(UnknownImage):
        await plane.images.get("web")


async def test_an_old_version_gives_the_name_to_all_too(plane: Plane) -> None:
    old, new = a_ready_image("v1", name="web", current=False), a_ready_image("v2", name="web", version=2)
    await plane.know(a_node(), old, new)
    await plane.edits.update("web@1", said(name="Web"))
    assert [(await plane.image(i)).name for i in ("v1", "v2")] == ["Web", "Web"]


async def test_a_name_that_is_taken_is_not_given(plane: Plane) -> None:
    await plane.know(
        a_node(),
        a_ready_image("one", name="one"),
        a_ready_image("two", name="two", digest=OTHER_DIGEST),
        an_image("old", name="left", current=False, phase=ImagePhase.ERROR),
        an_image("far", name="free", project_id="other"),
    )
    for taken in ("two", "TWO", "left", "debian-12"):
        with pytest.raises(NameTaken):
            await plane.edits.update("one", said(name=taken))
    assert (await plane.edits.update("one", said(name="free"))).name == "free"


async def test_an_image_that_is_being_deleted_is_left_alone(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(phase=ImagePhase.DELETING))
    with pytest.raises(ImageDeleting):
        await plane.edits.update("image-1", said(description="x"))


async def test_a_catalog_entry_without_an_image_cannot_be_changed(plane: Plane) -> None:
    with pytest.raises(UnknownImage, match="has not been downloaded"):
        await plane.edits.update("debian-12", said(description="x"))
