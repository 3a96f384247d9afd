from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from image_library.cli.streams import attended


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
