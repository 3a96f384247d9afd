"""Reading foreign bytes within bounds: how much, from where, and what it means when they are not there."""

from __future__ import annotations

import sys
from array import array
from typing import Protocol

from image_library.domain.errors import ImageTruncated, UnsafeMetadata, VirtualSizeTooLarge
from image_library.domain.sizes import in_words

MIB = 1 << 20
# All that judging one image reads, and so the most that it holds.
MAX_READ = 2 * MIB
# How much of a table is looked at; a table may be as long as its format's own limit says.
MAX_TABLE_READ = 256 << 10
MAX_TABLE_BYTES = 32 * MIB
# What an image may claim to be, unless an operator says otherwise.
MAX_VIRTUAL_SIZE = 2 << 40


class Reader(Protocol):
    """Bytes that lie somewhere."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """At most ``length`` bytes from there; fewer at the end only."""
        ...


class Memory:
    """Bytes in memory. ``size`` is that of the file they are the beginning of."""

    def __init__(self, data: bytes, *, size: int | None = None) -> None:
        self._data = data
        self.size = len(data) if size is None else size

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class Bounded:
    """Reads no more than ``most`` bytes in all."""

    def __init__(self, reader: Reader, *, name: str, most: int = MAX_READ) -> None:
        self._reader = reader
        self._name = name
        self._left = most
        self.size = reader.size

    def read(self, offset: int, length: int) -> bytes:
        """Raises UnsafeMetadata where that would be too much."""
        length = max(0, min(length, self.size - offset))
        if length > self._left:
            raise UnsafeMetadata(f"{self._name} cannot be judged by reading {in_words(MAX_READ)} of it.")
        self._left -= length
        return self._reader.read(offset, length) if length else b""


class Window:
    """A part of something, such as a file inside an archive."""

    def __init__(self, reader: Reader, *, offset: int, size: int) -> None:
        self._reader = reader
        self._offset = offset
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return self._reader.read(self._offset + offset, length) if length else b""


def whole(reader: Reader, offset: int, length: int, *, name: str, what: str) -> bytes:
    """Exactly ``length`` bytes. Raises ImageTruncated."""
    data = reader.read(offset, length)
    if len(data) < length:
        raise ImageTruncated(f"{name} ends within its {what}.")
    return data


def check_inside(end: int, reader: Reader, *, name: str, what: str) -> None:
    """Raises ImageTruncated where that many bytes are not there."""
    if end > reader.size:
        raise ImageTruncated(f"{name} has {reader.size} bytes, but its {what} would end at {end}.")


def check_virtual_size(size: int, limit: int, *, name: str) -> None:
    """Raises VirtualSizeTooLarge."""
    if size > limit:
        claim, most = in_words(size), in_words(limit)
        raise VirtualSizeTooLarge(f"{name} claims a disk of {claim}; the limit is {most}.")


def check_table(size: int, *, name: str, what: str, limit: int = MAX_TABLE_BYTES) -> None:
    """Raises UnsafeMetadata where a table of that many bytes is more than any image needs."""
    if size > limit:
        raise UnsafeMetadata(f"{name} claims a {what} of {in_words(size)}; the limit is {in_words(limit)}.")


def entries(data: bytes, kind: str, *, big_endian: bool = False) -> array[int]:
    """The numbers of a table (kinds "I" and "Q" of ``array``), without the zeros at its end."""
    width = array(kind).itemsize
    used = len(data.rstrip(b"\0"))
    numbers = array(kind, data[: -(-used // width) * width])
    if big_endian == (sys.byteorder == "little"):
        numbers.byteswap()
    return numbers


def power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0
