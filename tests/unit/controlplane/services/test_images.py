from __future__ import annotations

import pytest

from image_library.domain.catalog import CatalogEntry
from image_library.domain.errors import (
    AmbiguousImage,
    ImageInUse,
    ImageIsLocal,
    NodeUnreachable,
    UnknownImage,
)
from image_library.domain.image import ImagePhase, PlacementState
from image_library.domain.job import JobState
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import DIGEST, a_copy, a_job, a_node, a_ready_image, a_vm, an_image


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


async def test_deleting_removes_every_copy_and_the_record(plane: Plane) -> None:
    image = a_ready_image(placements=(a_copy("node-1"), a_copy("node-2")))
    await plane.know(a_node("node-1"), a_node("node-2"), image)
    await plane.images.delete("image-1")
    assert plane.nodes.removed == [("node-1", DIGEST), ("node-2", DIGEST)]
    with pytest.raises(UnknownImage):
        await plane.images.get("image-1")


async def test_an_image_under_a_vm_stays(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(), a_vm(name="web", image_id="image-1"))
    with pytest.raises(ImageInUse, match="web"):
        await plane.images.delete("image-1")
    assert (await plane.image("image-1")).phase is ImagePhase.READY
    assert plane.nodes.removed == []


async def test_an_image_being_downloaded_stays(plane: Plane) -> None:
    await plane.know(a_node(), an_image(), a_job(state=JobState.FETCHING))
    with pytest.raises(ImageInUse, match="jobs cancel job-1"):
        await plane.images.delete("image-1")


async def test_an_operators_file_stays(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image(digest=""))
    with pytest.raises(ImageIsLocal, match=r"/images/debian-12\.qcow2"):
        await plane.images.delete("image-1")


async def test_a_copy_that_another_image_shares_stays(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image("one"), a_ready_image("two"))
    await plane.images.delete("one")
    assert plane.nodes.removed == []
    await plane.images.delete("two")
    assert plane.nodes.removed == [("node-1", DIGEST)]


async def test_deleting_goes_on_where_a_node_was_away(plane: Plane) -> None:
    await plane.know(a_node(), a_ready_image())
    plane.nodes.go_away("node-1")
    with pytest.raises(NodeUnreachable):
        await plane.images.delete("image-1")
    image = await plane.image("image-1")
    assert (image.phase, image.placements[0].state) == (ImagePhase.DELETING, PlacementState.READY)
    plane.nodes.away.clear()
    await plane.images.delete("image-1")
    assert plane.nodes.removed == [("node-1", DIGEST)]


async def test_a_failed_image_without_copies_is_deleted(plane: Plane) -> None:
    await plane.know(a_node(), an_image(phase=ImagePhase.ERROR))
    await plane.images.delete("image-1")
    with pytest.raises(UnknownImage):
        await plane.images.get("image-1")
