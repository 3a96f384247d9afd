from __future__ import annotations

import pytest

from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import (
    AmbiguousImage,
    UnknownImage,
)
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_node, a_ready_image, an_image


async def test_an_image_is_found_by_id_catalog_id_and_name(plane: Plane) -> None:
    image = a_ready_image("id-9", name="web base", catalog_id="debian-12")
    await plane.know(a_node(), image)
    for name in ("id-9", "debian-12", "web base"):
        assert await plane.images.get(name) == image


async def test_a_catalog_id_means_its_newest_ready_version(plane: Plane) -> None:
    ready = a_ready_image("ready", catalog_id="debian-12")
    newer = an_image("newer", catalog_id="debian-12", created_at=plane.clock.now().replace(year=2027))
    await plane.know(a_node(), ready, newer)
    assert await plane.images.resolve("debian-12") == ready


async def test_a_catalog_id_without_an_image_is_its_entry(plane: Plane) -> None:
    assert isinstance(await plane.images.resolve("debian-12"), CatalogEntry)
    with pytest.raises(UnknownImage, match="images download debian-12"):
        await plane.images.get("debian-12")


async def test_an_unknown_name_gets_the_closest_ones(plane: Plane) -> None:
    await plane.know(an_image("x", name="debian-golden"))
    with pytest.raises(UnknownImage, match="debian-golden"):
        await plane.images.resolve("debian-goldn")


async def test_a_name_of_two_images_is_ambiguous(plane: Plane) -> None:
    await plane.know(an_image("a", name="same"), an_image("b", name="same", project_id="other"))
    with pytest.raises(AmbiguousImage):
        await plane.images.resolve("same")
