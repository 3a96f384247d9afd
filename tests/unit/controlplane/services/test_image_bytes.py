"""The bytes of an image from whichever node gives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from image_library.controlplane.services.image_bytes import ImageBytes
from image_library.domain.errors import (
    ImageFileMissing,
    ImageIsLocal,
    ImageNotReady,
    LibraryError,
    NodeUnreachable,
    UnknownImage,
)
from image_library.domain.node import Node, NodePhase
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_copy, a_node, a_ready_image

BYTES = bytes(range(250)) * 4
BLOCK = 100


@dataclass
class Holders:
    """Fulfils ``NodeImages``: nodes that all have the bytes and break off where a test says."""

    # After so many bytes of one reading, by node; with an error, or without a word.
    breaks: dict[str, tuple[int, LibraryError | None]] = field(
        default_factory=dict[str, tuple[int, LibraryError | None]]
    )
    # Nodes that send more than they are asked for.
    generous: set[str] = field(default_factory=set[str])
    asked: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    closed: list[str] = field(default_factory=list[str])

    async def read(self, node: Node, digest: str, *, offset: int, length: int) -> AsyncGenerator[bytes]:
        assert digest == DIGEST
        self.asked.append((node.id, offset, length))
        least, error = self.breaks.get(node.id, (len(BYTES), None))
        last = len(BYTES) if node.id in self.generous else offset + length
        try:
            for start in range(offset, last, BLOCK):
                if start - offset >= least:
                    if error is not None:
                        raise error
                    return
                yield BYTES[start : min(start + BLOCK, last)]
        finally:
            self.closed.append(node.id)


@pytest.fixture
def holders() -> Holders:
    return Holders()


@pytest.fixture
async def plane() -> Plane:
    plane = Plane()
    copies = tuple(a_copy(f"node-{number}") for number in (1, 2, 3))
    await plane.know(
        *(a_node(f"node-{number}") for number in (1, 2, 3)),
        a_ready_image(name="golden", size_bytes=len(BYTES), placements=copies),
    )
    return plane


@pytest.fixture
def images(plane: Plane, holders: Holders) -> ImageBytes:
    return ImageBytes(database=plane.database, images=plane.images, nodes=holders)


async def read(images: ImageBytes, start: int = 0, stop: int = len(BYTES)) -> bytes:
    file = await images.find("golden")
    return b"".join([block async for block in images.read(file, start=start, stop=stop)])


AWAY = NodeUnreachable("The node is gone.")


@pytest.mark.parametrize(
    "breaks",
    [
        {"node-1": (0, AWAY)},
        {"node-1": (300, AWAY)},
        {"node-1": (300, None)},
        {"node-1": (300, AWAY), "node-2": (200, ImageFileMissing("Changed."))},
    ],
)
async def test_where_one_breaks_off_the_next_goes_on(
    images: ImageBytes, holders: Holders, breaks: dict[str, tuple[int, LibraryError | None]]
) -> None:
    holders.breaks = breaks
    assert await read(images) == BYTES
    starts = [offset for _, offset, _ in holders.asked]
    assert starts == sorted(starts)
    assert len({node for node, _, _ in holders.asked}) == len(breaks) + 1


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (999, 1000), (150, 555), (0, 1000)])
async def test_a_part_is_exactly_that(images: ImageBytes, holders: Holders, start: int, stop: int) -> None:
    holders.breaks = {"node-1": (200, AWAY)}
    assert await read(images, start, stop) == BYTES[start:stop]


async def test_with_all_holders_gone_the_last_says_why(images: ImageBytes, holders: Holders) -> None:
    holders.breaks = {f"node-{number}": (100, AWAY) for number in (1, 2, 3)}
    with pytest.raises(NodeUnreachable, match="gone"):
        await read(images)
    assert [offset for _, offset, _ in holders.asked] == [0, 100, 200]


async def test_holders_that_end_early_without_a_word_are_no_whole_image(
    images: ImageBytes, holders: Holders
) -> None:
    holders.breaks = {f"node-{number}": (100, None) for number in (1, 2, 3)}
    with pytest.raises(ImageFileMissing):
        await read(images)


async def test_a_node_that_sends_too_much_is_cut_short(images: ImageBytes, holders: Holders) -> None:
    holders.generous = {"node-1"}
    assert await read(images, 10, 250) == BYTES[10:250]


async def test_a_reader_that_leaves_ends_the_nodes_reading(images: ImageBytes, holders: Holders) -> None:
    blocks = images.read(await images.find("golden"), start=0, stop=len(BYTES))
    assert await anext(blocks) == BYTES[:BLOCK]
    await blocks.aclose()
    assert holders.closed == ["node-1"]


async def test_only_nodes_that_answer_are_asked(plane: Plane, images: ImageBytes, holders: Holders) -> None:
    await plane.know(a_node("node-1", phase=NodePhase.OFFLINE))
    assert await read(images) == BYTES
    assert [node for node, _, _ in holders.asked] == ["node-2"]
    for number in (2, 3):
        await plane.know(a_node(f"node-{number}", phase=NodePhase.OFFLINE))
    with pytest.raises(NodeUnreachable, match=r"node-1\.example, node-2\.example, node-3\.example"):
        await read(images)


async def test_what_cannot_be_given_is_named(plane: Plane, images: ImageBytes) -> None:
    await plane.know(
        a_ready_image("mine", name="mine", digest=""), a_ready_image("gone", name="gone", placements=())
    )
    for name, error in (("mine", ImageIsLocal), ("gone", ImageNotReady), ("nothing", UnknownImage)):
        with pytest.raises(error):
            await images.find(name)
    with pytest.raises(ImageNotReady):
        await images.with_digest(OTHER_DIGEST)
    found = await images.with_digest(DIGEST)
    assert (found.filename, found.digest) == ("golden.qcow2", DIGEST)
