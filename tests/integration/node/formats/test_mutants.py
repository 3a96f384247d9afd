"""Whatever the bytes are: a fact or a refusal of ours, soon; and what is called safe, QEMU finds safe too.

LIMIQUANTIX_TEST_SEED repeats a run; LIMIQUANTIX_TEST_LONG makes it ten times as long.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import shutil
import time
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from oslo_utils.imageutils.format_inspector import get_inspector

from image_library.domain.errors import LibraryError
from image_library.domain.image import ImageFormat
from image_library.node.adapters.inspector import HeaderInspector
from image_library.node.adapters.jail import Jail, JailLimits, Wall
from tests.support.corpus.benign import DRIVERS
from tests.support.corpus.mutants import STOCKS, Mutant, mutant
from tests.support.sizes import LONG, size

QEMU_IMG = shutil.which("qemu-img") or "/usr/bin/qemu-img"
MUTANTS, COMPARED = size(100_000, 1_000_000), size(200, 5_000)
MOST_SECONDS = 0.05
SEED = int(os.environ.get("LIMIQUANTIX_TEST_SEED") or time.time_ns() % 1_000_000)
INSPECTOR = HeaderInspector()
# None of these words may be in what QEMU says of an image that was called safe.
_OTHER_FILES = ("backing-filename", "full-backing-filename", "data-file")

pytestmark = pytest.mark.timeout(1800 if LONG else 240)


def _shown(file: Mutant) -> str:
    changes = ", ".join(f"{at}: {new[:16]!r}" for at, new in file.changes)
    return f"seed {SEED}, {file.stock.format.value}, {file.size} bytes, {changes}"


def is_safe(file: Mutant) -> bool:
    try:
        INSPECTOR.judge(file, name="it", declared=None)
    except LibraryError:
        return False
    return True


def test_nothing_but_a_refusal_comes_of_odd_bytes() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    slowest, safe = 0.0, 0
    begun = time.thread_time()
    # What the test run holds besides is not to be looked through meanwhile.
    gc.freeze()
    for number in range(MUTANTS):
        file = mutant(chance, STOCKS)
        before = time.thread_time()
        try:
            safe += is_safe(file)
        except Exception as error:
            raise AssertionError(f"mutant {number}: {_shown(file)}") from error
        slowest = max(slowest, time.thread_time() - before)
    gc.unfreeze()
    rate = MUTANTS / (time.thread_time() - begun)
    print(
        f"{MUTANTS} mutants, {rate:.0f} a second, {safe} called safe, the slowest took {slowest * 1e3:.1f} ms"
    )
    assert slowest < MOST_SECONDS
    # Neither is everything refused before it is looked at, nor is everything taken.
    assert MUTANTS // 50 < safe < MUTANTS // 2


async def test_what_is_called_safe_names_no_other_file_to_qemu(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    found: list[Mutant] = []
    while len(found) < COMPARED:
        file = mutant(chance, STOCKS)
        if file.stock.format in DRIVERS and is_safe(file):
            found.append(file)
    half = COMPARED // 2
    await asyncio.gather(
        *(_compare(tmp_path / str(n), part) for n, part in enumerate((found[:half], found[half:])))
    )


async def _compare(path: Path, files: list[Mutant]) -> None:
    for file in files:
        _write(path, file)
        told = await _qemu_says(path, DRIVERS[file.stock.format])
        assert not _names(told).intersection(_OTHER_FILES), _shown(file)
        assert len(told.get("children", [])) <= 1, _shown(file)
        assert int(told.get("virtual-size", 0)) <= 2 << 40, _shown(file)


def _write(path: Path, file: Mutant) -> None:
    path.write_bytes(file.whole())


def _names(told: object) -> set[str]:
    """The names of all that QEMU says, at every depth."""
    if isinstance(told, dict):
        pairs = cast("dict[str, object]", told)
        return set(pairs).union(*(_names(value) for value in pairs.values()))
    if isinstance(told, list):
        values = cast("list[object]", told)
        return set[str]().union(*(_names(value) for value in values))
    return set()


async def _qemu_says(path: Path, driver: str) -> dict[str, Any]:
    """Nothing where it refuses the file or dies of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        words = ("info", "-f", driver, "--output=json", f"/proc/self/fd/{descriptor}")
        limits = JailLimits(wall_seconds=30, cpu_seconds=20)
        ended = await Jail(Wall.LANDLOCK).run((QEMU_IMG, *words), limits=limits, readable=(descriptor,))
    finally:
        os.close(descriptor)
    return json.loads(ended.output) if ended.status == 0 else {}


def test_what_is_called_safe_another_inspector_calls_safe(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    chance = random.Random(SEED)
    compared = 0
    while compared < COMPARED:
        file = mutant(chance, STOCKS)
        if file.stock.format in (ImageFormat.QCOW2, ImageFormat.VMDK) and is_safe(file):
            compared += 1
            assert _oslo_calls_safe(file), _shown(file)


def _unknown_to_oslo(file: Mutant) -> bool:
    """Extended second-level tables, letters beyond ASCII, and that version 2 has no features."""
    if file.stock.format is ImageFormat.VMDK:
        return not file.read(512, 20 * 512).partition(b"\0")[0].isascii()
    version, features = file.read(7, 1)[0], file.read(79, 1)[0]
    return bool(features & 16) if version == 3 else bool(features & 4)


def _oslo_calls_safe(file: Mutant) -> bool:
    kind = get_inspector(file.stock.format.value)
    assert kind is not None
    inspector = kind()
    source = BytesIO(file.whole())
    while chunk := source.read(4096):
        inspector.eat_chunk(chunk)
    inspector.finish()
    if _unknown_to_oslo(file):
        return True
    try:
        inspector.safety_check()
    except Exception:
        return False
    return True
