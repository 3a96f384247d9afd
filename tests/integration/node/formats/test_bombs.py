"""Ten gibibytes from next to nothing: ended at the bound, with little memory, and soon after."""

from __future__ import annotations

import asyncio
import bz2
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.conversion import Packing
from tests.support.corpus.bombs import MIB, bomb, bzip2, packed_inside

ROOT = Path(__file__).parents[4]
CAP = 64 * MIB
MOST_MEMORY = 128 * MIB
# The processor's, which a busy machine does not stretch; from the start on, not since the bound was crossed.
MOST_SECONDS = 2.0
# What the formats permit: no file of gzip or xz is smaller.
SMALL = {Packing.XZ: 2 * MIB, Packing.GZIP: 10 * MIB}


async def gone_off(folder: Path, kind: str, content: bytes) -> dict[str, Any]:
    source, target = folder / "bomb", folder / "out"
    source.write_bytes(content)
    words = ("-m", "tests.support.one_bomb", kind, str(source), str(target), str(CAP))
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words), env=os.environ | {"PYTHONPATH": paths}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    made = target.stat()
    return {**json.loads(said), "length": made.st_size, "taken": made.st_blocks * 512}


@pytest.mark.parametrize("packing", Packing)
async def test_ten_gibibytes_end_at_the_bound(tmp_path: Path, packing: Packing) -> None:
    content = bomb(packing)
    assert len(content) <= SMALL.get(packing, MIB)
    ended = await gone_off(tmp_path, packing.value, content)
    assert ended["code"] == "image.decompress.limit"
    within_bounds(ended)


async def test_so_does_a_qcow2_that_is_packed_inside(tmp_path: Path) -> None:
    content = packed_inside()
    assert len(content) <= MIB
    ended = await gone_off(tmp_path, "qcow2", content)
    assert ended["code"] == "image.too_large.allocated"
    # It got as far as the bound.
    assert ended["length"] > CAP - MIB
    within_bounds(ended)


def within_bounds(ended: dict[str, Any]) -> None:
    assert ended["length"] <= CAP + MIB
    assert ended["taken"] <= CAP + MIB
    assert 0 < ended["memory"] <= MOST_MEMORY
    assert 0 < ended["seconds"] < MOST_SECONDS


def test_the_bomb_of_blocks_is_a_whole_file() -> None:
    content = bz2.decompress(bzip2(2))
    assert len(content) > 80 * MIB
    assert content.count(0) == len(content)
