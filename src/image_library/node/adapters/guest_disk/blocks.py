"""A disk as numbered bytes, whatever file or part of a disk holds them."""

from __future__ import annotations

import os
from typing import Protocol

MIB = 1 << 20
# Far beyond what the facts need; a chain of tables without end stops here.
MOST_READ = 256 * MIB
# What a small read costs at least, so that very many of them end as well.
_LEAST_COUNTED = 64


class Unreadable(Exception):
    """Why something cannot be read: a sentence without its full stop, about "it", the image."""


class Blocks(Protocol):
    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes.

        Raises:
            Unreadable: they are not all there, or too much was read already.
        """
        ...


class FileBlocks:
    """An open file, with a limit on how much is read in all."""

    def __init__(self, descriptor: int, *, most: int = MOST_READ) -> None:
        self._descriptor = descriptor
        self._left = most
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        self._left -= max(length, _LEAST_COUNTED)
        if self._left < 0:
            raise Unreadable("too much of it would have to be read")
        try:
            data = os.pread(self._descriptor, length, offset)
        except (OSError, OverflowError, ValueError):
            raise Unreadable("it points outside itself") from None
        if len(data) != length:
            raise Unreadable("it ends too early")
        return data


class Slice:
    """A part of a disk."""

    def __init__(self, whole: Blocks, start: int, size: int) -> None:
        self._whole = whole
        self._start = start
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Unreadable("it points outside itself")
        return self._whole.read(self._start + offset, length)
