"""Waiting for a stream that may be silent for long, so that Ctrl-C and a deadline are still heeded.

A signal that arrives just before a call that blocks is seen only when that call returns. So a thread
reads the stream, and the main thread waits for it in short turns.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

TURN_SECONDS = 0.25
T = TypeVar("T")


class _Ended(Exception):
    """Put behind the last item."""


def attended(stream: Iterator[T], *, seconds: float = math.inf) -> Iterator[T]:
    """What ``stream`` gives, and raises what it raises.

    The thread that reads it dies with the program.

    Raises:
        TimeoutError: the stream had not ended ``seconds`` after the first item was asked for.
    """
    told: queue.Queue[T | BaseException] = queue.Queue()
    threading.Thread(target=_read, args=(stream, told), name="stream", daemon=True).start()
    deadline = time.monotonic() + seconds
    while True:
        item = _next(told, deadline)
        if isinstance(item, _Ended):
            return
        if isinstance(item, BaseException):
            raise item
        yield item


def merged(streams: Sequence[Iterator[T]]) -> Iterator[T]:
    """What all of them give, as it comes; raises what the first of them raises.

    The threads that read them die with the program.
    """
    told: queue.Queue[T | BaseException] = queue.Queue()
    for stream in streams:
        threading.Thread(target=_read, args=(stream, told), name="stream", daemon=True).start()
    left = len(streams)
    while left:
        item = told.get()
        if isinstance(item, _Ended):
            left -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item


def _read(stream: Iterator[T], told: queue.Queue[T | BaseException]) -> None:
    try:
        for item in stream:
            told.put(item)
        told.put(_Ended())
    except BaseException as error:
        told.put(error)


def _next(told: queue.Queue[T | BaseException], deadline: float) -> T | BaseException:
    while True:
        left = deadline - time.monotonic()
        try:
            return told.get(timeout=max(0.0, min(TURN_SECONDS, left)))
        except queue.Empty:
            if left <= 0:
                raise TimeoutError from None
