"""Judging images by their header: a fixed amount is read, nothing is executed, no second file is opened.

What is inside is read by a program in the jail.
"""

from __future__ import annotations

import asyncio
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import TypeVar

from image_library.domain import qcow2
from image_library.domain.errors import (
    FormatMismatch,
    ImageTruncated,
    NotAnImage,
    StorageIo,
    UnsafeBackingFile,
    UnsafeMetadata,
    UnsupportedFeature,
    VirtualSizeTooLarge,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.image_formats import BEGINNING, detect, web_page_title
from image_library.domain.store import ImageFacts
from image_library.node.ports.guests import GuestInspector
from image_library.node.ports.storage import Part

T = TypeVar("T")

# How much of a file is looked at.
BEGINNING_BYTES = max(BEGINNING, qcow2.HEADER_BYTES)
_RAW_NAMES = frozenset({".img", ".raw"})
_SECTOR = 512
_VHD_DIFFERENCING = 4
_VMDK = struct.Struct("<4sIIQQQQ")


class HeaderInspector:
    """Without ``guests`` nobody looks inside."""

    def __init__(
        self, *, guests: GuestInspector | None = None, max_virtual_size: int = qcow2.MAX_VIRTUAL_SIZE
    ) -> None:
        self._guests = guests
        self._max_virtual_size = max_virtual_size

    def judge_beginning(self, beginning: bytes, *, name: str, declared: ImageFormat) -> None:
        _recognise(beginning, name=name, declared=declared)

    async def inspect_part(self, part: Part, *, name: str, declared: ImageFormat, size: int) -> ImageFacts:
        beginning = await part.read(0, BEGINNING_BYTES)
        facts = self._inspect(beginning, name=name, declared=declared, size=size)
        return await self.look_inside(str(part.path), facts)

    async def inspect_file(self, path: str, *, name: str, declared: ImageFormat | None) -> ImageFacts:
        def judge(fd: int, seen: os.stat_result) -> ImageFacts:
            beginning = os.pread(fd, BEGINNING_BYTES, 0)
            return self._inspect(beginning, name=name, declared=declared, size=seen.st_size)

        facts = await asyncio.to_thread(read_regular_file, path, judge)
        return await self.look_inside(path, facts)

    async def look_inside(self, path: str, facts: ImageFacts) -> ImageFacts:
        if self._guests is None:
            return facts
        return replace(facts, guest=await self._guests.read(path, facts.format))

    def inspect_bytes(self, beginning: bytes, *, name: str, size: int) -> ImageFacts:
        """A file of any known format, by its first bytes."""
        return self._inspect(beginning, name=name, declared=None, size=size)

    def _inspect(self, beginning: bytes, *, name: str, declared: ImageFormat | None, size: int) -> ImageFacts:
        found = _recognise(beginning, name=name, declared=declared)
        virtual = size
        if found is ImageFormat.QCOW2:
            header = qcow2.read_header(beginning, name=name)
            qcow2.check(header, name=name, file_size=size, max_virtual_size=self._max_virtual_size)
            virtual = header.virtual_size
        elif found is ImageFormat.VMDK:
            virtual = _vmdk_size(beginning, name)
        elif found is ImageFormat.VHD:
            virtual = _vhd_size(beginning, name)
        if virtual > self._max_virtual_size:
            claim, limit = qcow2.in_words(virtual), qcow2.in_words(self._max_virtual_size)
            raise VirtualSizeTooLarge(f"{name} claims a disk of {claim}; the limit is {limit}.")
        return ImageFacts(format=found, virtual_size_bytes=virtual)


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


def _recognise(beginning: bytes, *, name: str, declared: ImageFormat | None) -> ImageFormat:
    if not beginning:
        raise NotAnImage(f"{name} is empty.")
    title = web_page_title(beginning)
    if title is not None:
        called = f' with the title "{printable(title)}"' if title else ""
        raise NotAnImage(f"{name} is a web page{called}, not a disk image.")
    found = detect(beginning) or ("raw" if _may_be_raw(name, declared) else "")
    if not found:
        raise NotAnImage(f"{name} is no disk image of a known format.")
    if declared is not None and found != declared.value:
        raise FormatMismatch(f"{name} should be {declared.value} but is {found}.")
    try:
        return ImageFormat(found)
    except ValueError:
        raise UnsupportedFeature(f"{name} is {found}, which is not supported.") from None


def _may_be_raw(name: str, declared: ImageFormat | None) -> bool:
    """A disk without partitions has no mark; it is raw where somebody says so."""
    return declared is ImageFormat.RAW or (declared is None and PurePath(name).suffix in _RAW_NAMES)


def _vhd_size(beginning: bytes, name: str) -> int:
    """The size that the copy of the footer names; a differencing disk, which needs its parent, is refused."""
    if len(beginning) < _SECTOR:
        raise ImageTruncated(f"{name} ends within its VHD footer.")
    (size,) = struct.unpack_from(">Q", beginning, 48)
    (kind,) = struct.unpack_from(">I", beginning, 60)
    if kind == _VHD_DIFFERENCING:
        raise UnsafeBackingFile(f"{name} is a differencing VHD, which names a parent file.")
    return int(size)


def _vmdk_size(beginning: bytes, name: str) -> int:
    """The size of a sparse VMDK; one that names other files is refused."""
    if beginning[:4] != b"KDMV" or len(beginning) < 2 * _SECTOR:
        raise UnsupportedFeature(f"{name} is a VMDK of another kind than one sparse file.")
    _, _, _, capacity, _, descriptor_at, descriptor_size = _VMDK.unpack_from(beginning)
    if not descriptor_at or descriptor_size > 64:
        raise UnsafeMetadata(f"{name} has no readable VMDK descriptor.")
    begin = descriptor_at * _SECTOR
    descriptor = beginning[begin : begin + descriptor_size * _SECTOR].rstrip(b"\0").decode(errors="replace")
    if not descriptor:
        raise ImageTruncated(f"{name} ends before its VMDK descriptor.")
    _check_vmdk(descriptor, name)
    return capacity * _SECTOR


def _check_vmdk(descriptor: str, name: str) -> None:
    pairs = dict(line.split("=", 1) for line in descriptor.splitlines() if "=" in line)
    kind = pairs.get("createType", "").strip('" ')
    extents = [line for line in descriptor.splitlines() if line.startswith(("RW ", "RDONLY ", "NOACCESS "))]
    if "parentFileNameHint" in pairs or pairs.get("parentCID", "ffffffff").strip().lower() != "ffffffff":
        raise UnsafeBackingFile(f"{name} names a parent file.")
    if kind not in ("monolithicSparse", "streamOptimized") or len(extents) != 1 or "/" in extents[0]:
        raise UnsupportedFeature(
            f"{name} is a VMDK of the kind '{printable(kind)}', which names other files."
        )
