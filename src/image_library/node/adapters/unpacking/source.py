"""A compressed file that is read from its beginning to its end, and what can be wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable


class TooMuch(Exception):
    """It would take more than it may."""


class Truncated(Exception):
    """It ends before its end."""


class Damaged(Exception):
    """It is not what its first bytes say."""


class Source:
    """``told`` hears how many bytes have been read."""

    def __init__(self, fd: int, *, told: Callable[[int], None]) -> None:
        self._fd = fd
        self._told = told
        self._at = 0

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, length: int = -1) -> bytes:
        block = os.pread(self._fd, length if length >= 0 else 1 << 20, self._at)
        self._at += len(block)
        self._told(self._at)
        return block

    def at(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes, wherever reading is. Raises Truncated."""
        block = os.pread(self._fd, length, offset)
        if len(block) < length:
            raise Truncated
        return block
