from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from image_library.cli.streams import attended, merged


def silent(until: threading.Event) -> Iterator[str]:
    yield "first"
    until.wait()


def failing() -> Iterator[str]:
    yield "first"
    raise ValueError("broken")


def test_gives_what_the_stream_gives() -> None:
    assert list(attended(iter(["a", "b"]))) == ["a", "b"]


def test_raises_what_the_stream_raises() -> None:
    told = attended(failing())
    assert next(told) == "first"
    with pytest.raises(ValueError, match="broken"):
        next(told)


def test_a_silent_stream_is_not_waited_for_beyond_the_time() -> None:
    until = threading.Event()
    told = attended(silent(until), seconds=0.3)
    assert next(told) == "first"
    with pytest.raises(TimeoutError):
        next(told)
    until.set()


def test_merged_gives_what_all_give_and_ends_after_the_last() -> None:
    nothing: list[str] = []
    assert sorted(merged([iter(["a", "b"]), iter(["c"]), iter(nothing)])) == ["a", "b", "c"]
    assert list(merged(list[Iterator[str]]())) == []


def test_merged_does_not_wait_for_a_silent_one() -> None:
    until = threading.Event()
    told = merged([silent(until), iter(["second"])])
    assert sorted(next(told) for _ in range(2)) == ["first", "second"]
    until.set()
    assert list(told) == []


def test_merged_raises_what_one_of_them_raises() -> None:
    with pytest.raises(ValueError, match="broken"):
        list(merged([failing(), iter(["second"])]))
