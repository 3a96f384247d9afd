"""Judging images by their own words: a bounded amount is read, nothing is executed, no second file is opened.

What is inside is read by a program in the jail.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import TypeVar

from image_library.domain.conversion import DiskInside
from image_library.domain.disk_formats.judging import JUDGES
from image_library.domain.disk_formats.reading import MAX_VIRTUAL_SIZE, Bounded, Reader, Window
from image_library.domain.disk_formats.recognising import recognise, recognise_early
from image_library.domain.errors import NotAnImage, StorageIo, printable
from image_library.domain.image import ImageFormat
from image_library.domain.store import ImageFacts
from image_library.node.adapters.ova import find_disk
from image_library.node.ports.guests import GuestInspector
from image_library.node.ports.storage import Output, Part

T = TypeVar("T")


class HeaderInspector:
    """Without ``guests`` nobody looks inside."""

    def __init__(
        self, *, guests: GuestInspector | None = None, max_virtual_size: int = MAX_VIRTUAL_SIZE
    ) -> None:
        self._guests = guests
        self._max_virtual_size = max_virtual_size

    def judge_beginning(self, beginning: bytes, *, name: str, declared: ImageFormat) -> None:
        recognise_early(beginning, name=name, declared=declared)

    async def inspect_part(
        self, part: Part | Output, *, name: str, declared: ImageFormat, size: int
    ) -> ImageFacts:
        facts = await asyncio.to_thread(self.judge, _PartReader(part, size), name=name, declared=declared)
        return await self.look_inside(str(part.path), facts)

    async def disk_in(self, fd: int, facts: ImageFacts, *, name: str, size: int) -> DiskInside:
        if facts.format is not ImageFormat.OVA:
            return DiskInside(format=facts.format)
        file = Bounded(FileReader(fd, size), name=name)
        disk = await asyncio.to_thread(find_disk, file, name=name)
        return DiskInside(format=disk.format, offset=disk.offset, length=disk.length)

    async def inspect_file(self, path: str, *, name: str, declared: ImageFormat | None) -> ImageFacts:
        def judge(fd: int, seen: os.stat_result) -> ImageFacts:
            return self.inspect_open(fd, name=name, size=seen.st_size, declared=declared)

        facts = await asyncio.to_thread(read_regular_file, path, judge)
        return await self.look_inside(path, facts)

    async def look_inside(self, path: str, facts: ImageFacts) -> ImageFacts:
        if self._guests is None:
            return facts
        return replace(facts, guest=await self._guests.read(path, facts.format))

    def inspect_open(
        self, fd: int, *, name: str, size: int, declared: ImageFormat | None = None
    ) -> ImageFacts:
        """An open file; without a declared format, for whatever known format it has. Raises: as ``judge``."""
        return self.judge(FileReader(fd, size), name=name, declared=declared)

    def judge(self, file: Reader, *, name: str, declared: ImageFormat | None) -> ImageFacts:
        """What the image's own words say, where all of them may be believed.

        Raises:
            NotAnImage, AmbiguousFormat, FormatMismatch, ImageTruncated, UnsafeBackingFile, UnsafeDataFile,
            UnsafeVmdkExtent, UnsafeMetadata, UnsupportedArchive, UnsupportedFeature, VirtualSizeTooLarge
        """
        file = Bounded(file, name=name)
        found = kind = recognise(file, name=name, declared=declared)
        hardware = None
        if found is ImageFormat.OVA:
            disk = find_disk(file, name=name)
            kind, hardware = disk.format, disk.hardware
            file, name = Window(file, offset=disk.offset, size=disk.length), f"The disk in {name}"
        size = JUDGES[kind](file, name=name, max_virtual_size=self._max_virtual_size)
        return ImageFacts(format=found, virtual_size_bytes=size, hardware=hardware)


class FileReader:
    """Reads through a descriptor of its caller's, whose place in the file it leaves alone."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)


class _PartReader:
    def __init__(self, part: Part | Output, size: int) -> None:
        self._part = part
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        return self._part.read_now(offset, length)


def read_regular_file(path: str, judge: Callable[[int, os.stat_result], T]) -> T:
    """What ``judge`` says of a file that is opened without following a link or waiting on a pipe.

    Raises:
        NotAnImage: it is no regular file.
        StorageIo: it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                raise NotAnImage(f"{_shown(path)} is no regular file.")
            return judge(fd, seen)
        finally:
            os.close(fd)
    except OSError as error:
        raise StorageIo(f"{_shown(path)} cannot be read ({(error.strerror or '').lower()}).") from error


def _shown(path: str) -> str:
    return printable(PurePath(path).name)
