"""Which part of a file is asked for next."""

from __future__ import annotations

import random

import pytest

from image_library.node.adapters.fetcher.spans import Span, left, next_gap

CASES: list[tuple[list[Span], Span | None, int]] = [
    ([], (10, 30), 90),
    ([(10, 15)], (15, 35), 85),
    ([(12, 100)], (10, 12), 2),
    ([(50, 60), (10, 50)], (60, 80), 40),
    # Of one another, of what is behind, and up to the end.
    ([(0, 20), (15, 40)], (40, 60), 60),
    ([(10, 99)], (99, 100), 1),
    ([(10, 100)], None, 0),
    ([(0, 120)], None, 0),
]


@pytest.mark.parametrize(("taken", "gap", "missing"), CASES)
def test_the_first_gap_is_next(taken: list[Span], gap: Span | None, missing: int) -> None:
    assert next_gap(10, taken, 100, most=20) == gap
    assert left(10, taken, 100) == missing


def test_gaps_cover_the_file_once() -> None:
    chance = random.Random(1)
    for _ in range(200):
        begin, end = sorted(chance.sample(range(200), 2))
        taken = [(at, at + chance.randrange(1, 40)) for at in chance.sample(range(200), 5)]
        free = {n for n in range(begin, end) if not any(b <= n < e for b, e in taken)}
        assert left(begin, taken, end) == len(free)
        got: list[int] = []
        while (gap := next_gap(begin, taken, end, most=7)) is not None:
            got += range(*gap)
            taken.append(gap)
        assert sorted(got) == sorted(free)
        assert len(got) == len(set(got))
