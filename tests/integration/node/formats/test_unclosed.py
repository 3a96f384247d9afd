"""A qcow2 that was not closed is kept as it is where its tables are whole, and refused where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from image_library.domain.errors import UnsupportedFeature
from image_library.domain.store import ImageFacts
from image_library.node.adapters.inspector import HeaderInspector
from image_library.node.adapters.jail import Jail, Wall, best_wall
from image_library.node.adapters.qemu_img import QemuImgImages
from image_library.node.services.second_look import second_look
from tests.fakes.node_workbench import content, order, publish, workbench
from tests.support.corpus import good
from tests.support.corpus.unclosed import BROKEN, SIZE, WHOLE, killed_writer
from tests.support.mirror import Mirror

INSPECTOR = HeaderInspector()
WALLS = sorted({best_wall() or Wall.NONE, Wall.BUBBLEWRAP}, key=str)


async def judged_twice(path: Path, wall: Wall | None = None) -> ImageFacts:
    """Opened so that it can only be read; nothing of it may change."""
    before = content(str(path))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        facts = INSPECTOR.inspect_open(descriptor, name="it", size=len(before))
        disk = await INSPECTOR.disk_in(descriptor, facts, name="it", size=len(before))
        converter = QemuImgImages(Jail(wall or best_wall()))
        await second_look(converter, descriptor, disk, facts, name="it")
        return facts
    finally:
        os.close(descriptor)
        assert content(str(path)) == before


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("name", WHOLE)
async def test_one_that_is_whole_is_taken(tmp_path: Path, name: str, wall: Wall) -> None:
    path = tmp_path / "it"
    path.write_bytes(WHOLE[name]())
    assert (await judged_twice(path, wall)).virtual_size_bytes == SIZE


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("name", BROKEN)
async def test_one_that_is_not_is_refused(tmp_path: Path, name: str, wall: Wall) -> None:
    path = tmp_path / "it"
    path.write_bytes(BROKEN[name]())
    with pytest.raises(UnsupportedFeature, match="not closed properly") as refused:
        await judged_twice(path, wall)
    assert (refused.value.code, "check" in refused.value.remedy) == ("image.unsupported.feature", True)


async def test_what_a_killed_writer_left_is_refused(tmp_path: Path) -> None:
    killed_writer(tmp_path / "it")
    with pytest.raises(UnsupportedFeature, match="not closed properly"):
        await judged_twice(tmp_path / "it")


async def test_in_an_appliance_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(good.ova(disk=WHOLE["data"]()))
    assert (await judged_twice(path)).virtual_size_bytes == SIZE
    path.write_bytes(good.ova(disk=BROKEN["uncounted"]()))
    with pytest.raises(UnsupportedFeature, match="not closed properly"):
        await judged_twice(path)


async def test_a_download_of_it_is_kept_to_the_byte(tmp_path: Path, mirror: Mirror) -> None:
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        publish(mirror, WHOLE["leaked"]())
        image = (await bench.finish(order())).published
        assert image is not None
        assert content(image.blob_path) == WHOLE["leaked"]()
        publish(mirror, BROKEN["used-twice"]())
        failure = (await bench.finish(order())).failure
        assert failure is not None
        assert failure.code == "image.unsupported.feature"
        assert await bench.store.find(image.digest) == image
