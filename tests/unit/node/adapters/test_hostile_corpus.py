"""Each file of the hostile corpus meets its refusal: by the inspector alone, soon, and with little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from image_library.domain.disk_formats.reading import MAX_READ, Memory
from image_library.domain.errors import LibraryError
from image_library.node.adapters.inspector import HeaderInspector
from tests.support.corpus.hostile import HOSTILE
from tests.support.corpus.rows import Hostile

CANARY = "/nowhere/canary"
MOST_SECONDS = 0.05
INSPECTOR = HeaderInspector()


class Counting(Memory):
    """Counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.count = 0

    def read(self, offset: int, length: int) -> bytes:
        data = super().read(offset, length)
        self.count += len(data)
        return data


def refusal(row: Hostile, file: Memory) -> LibraryError:
    with pytest.raises(LibraryError) as refused:
        INSPECTOR.judge(file, name="it", declared=row.declared)
    return refused.value


def test_the_corpus_is_large_and_knows_every_attack_on_an_image() -> None:
    assert len(HOSTILE) >= 120
    assert len({row.name for row in HOSTILE}) == len(HOSTILE)
    attacks = Counter(row.attack for row in HOSTILE)
    assert set(attacks) == {f"A{n:02}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14)}


@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: f"{row.attack}-{row.name}")
def test_a_hostile_file_meets_its_refusal(row: Hostile) -> None:
    file = Counting(row.build(CANARY))
    before = time.thread_time()
    error = refusal(row, file)
    assert time.thread_time() - before < MOST_SECONDS
    assert error.code == row.code
    assert error.message.isprintable()
    assert len(error.message) < 400
    assert file.count <= MAX_READ


def test_a_file_on_disk_is_judged_like_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "it"
    for row in HOSTILE[:: len(HOSTILE) // 20]:
        path.write_bytes(row.build(CANARY))
        size = path.stat().st_size
        with path.open("rb") as file, pytest.raises(LibraryError) as refused:
            INSPECTOR.inspect_open(file.fileno(), name="it", size=size, declared=row.declared)
        assert refused.value.code == row.code


def test_judging_holds_little_in_memory() -> None:
    for row in HOSTILE:
        file = Memory(row.build(CANARY))
        tracemalloc.start()
        refusal(row, file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MAX_READ, row.name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("qcow2-backing-file", CANARY),
        ("qcow2-backing-escape", "evil\\u001b[31m\\u000a"),
        ("qcow2-data-file", CANARY),
        ("vmdk-flat", CANARY),
        ("vmdk-parent-hint", CANARY),
        ("qcow2-feature-17", "feature 17"),
        ("qcow2-dirty-and-corrupt", "corrupt"),
        ("qcow2-size-63-pib", "63.0 PiB; the limit is 2.0 TiB"),
        ("login-page", '"Log in"'),
        ("raw-that-is-qcow2", "should be raw but is qcow2"),
        ("poly-iso-qcow2", "qcow2 and iso"),
    ],
)
def test_a_refusal_names_what_it_refuses(name: str, words: str) -> None:
    row = next(row for row in HOSTILE if row.name == name)
    assert words in refusal(row, Memory(row.build(CANARY))).message


def test_a_mismatch_names_the_field_that_is_wrong() -> None:
    row = next(row for row in HOSTILE if row.code == "image.format_mismatch")
    assert refusal(row, Memory(row.build(CANARY))).field == "format"
