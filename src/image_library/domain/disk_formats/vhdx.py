"""Judging VHDX (Hyper-V): one file that stands alone and was closed properly.

Source: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from image_library.domain.disk_formats.crc32c import crc32c
from image_library.domain.disk_formats.reading import (
    MAX_TABLE_READ,
    MAX_VIRTUAL_SIZE,
    MIB,
    Reader,
    check_inside,
    check_table,
    check_virtual_size,
    entries,
    power_of_two,
    whole,
)
from image_library.domain.errors import (
    ImageTruncated,
    UnsafeBackingFile,
    UnsafeMetadata,
    UnsupportedFeature,
)

_KIB = 1 << 10
_HEADERS, _HEADER_BYTES = (64 * _KIB, 128 * _KIB), 4 * _KIB
_REGIONS, _TABLE_BYTES = (192 * _KIB, 256 * _KIB), 64 * _KIB
_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_REGION = struct.Struct("<16sQII")
_ITEM = struct.Struct("<16sIII")
_MOST_ENTRIES = 2047
_MAX_LOG = 128 * MIB
_MAX_ITEM = 1 * MIB
_REQUIRED_ITEM = 4
_HAS_PARENT = 2
_PRESENT = (6, 7)


def _guid(text: str) -> bytes:
    return UUID(text).bytes_le


_BAT, _METADATA = _guid("2dc27766-f623-4200-9d64-115e9bfd4a08"), _guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_PARAMETERS, _SIZE = (
    _guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b"),
    _guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8"),
)
_SECTOR_SIZE = _guid("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_PARENT = _guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
# The physical sector's size and the disk's id: known, and of no interest here.
_OTHERS = (_guid("cda348c7-445d-4471-9cc9-e9885251c556"), _guid("beca12ab-b2e6-4523-93ef-c309e000c746"))
_ITEMS = frozenset({_PARAMETERS, _SIZE, _SECTOR_SIZE, _PARENT, *_OTHERS})


@dataclass(frozen=True)
class _Place:
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size, of an image that is plain, safe and whole as far as its tables tell.

    Raises:
        UnsafeBackingFile, UnsupportedFeature, UnsafeMetadata, ImageTruncated, VirtualSizeTooLarge
    """
    _check_header(file, name)
    regions = _regions(file, name)
    for place in regions.values():
        if place.offset < MIB or place.offset % MIB or place.length % MIB or not place.length:
            raise UnsafeMetadata(f"{name} has a VHDX region in a place where none may be.")
        check_inside(place.end, file, name=name, what="VHDX regions")
    metadata, bat = regions[_METADATA], regions[_BAT]
    if metadata.offset < bat.end and bat.offset < metadata.end:
        raise UnsafeMetadata(f"{name} has VHDX regions that overlap.")
    check_table(bat.length, name=name, what="block table")
    items = _items(file, metadata, name)
    block, sector, size = _parameters(file, items, name)
    check_virtual_size(size, max_virtual_size, name=name)
    _check_blocks(file, bat, block, sector, size, name)
    return size


def _check_header(file: Reader, name: str) -> None:
    """The current header, which is the valid one with the larger number, and its log, which must be empty."""
    found: list[tuple[int, bytes, int, int, int, int]] = []
    for offset in _HEADERS:
        block = whole(file, offset, _HEADER_BYTES, name=name, what="VHDX header")
        magic, said, number, _, _, log, log_version, version, length, begin = _HEADER.unpack_from(block)
        if magic == b"head" and crc32c(block[:4] + bytes(4) + block[8:]) == said:
            found.append((number, log, log_version, version, length, begin))
    if not found:
        raise UnsafeMetadata(f"{name} has no valid VHDX header.")
    _, log, log_version, version, length, begin = max(found)
    if version != 1 or log_version:
        raise UnsupportedFeature(f"{name} is VHDX version {version} with a log of version {log_version}.")
    if any(log):
        raise UnsupportedFeature(f"{name} was not closed properly (its VHDX log has entries to replay).")
    check_table(length, name=name, what="log", limit=_MAX_LOG)
    if begin < MIB or begin % MIB or length % MIB:
        raise UnsafeMetadata(f"{name} has its VHDX log in a place where none may be.")
    check_inside(begin + length, file, name=name, what="VHDX log")


def _regions(file: Reader, name: str) -> dict[bytes, _Place]:
    for offset in _REGIONS:
        table = whole(file, offset, _TABLE_BYTES, name=name, what="VHDX region table")
        magic, said, count, _ = struct.unpack_from("<4sIII", table)
        if magic != b"regi" or count > _MOST_ENTRIES:
            continue
        if crc32c(table[:4] + bytes(4) + table[8:]) == said:
            return _named_regions(table, count, name)
    raise UnsafeMetadata(f"{name} has no valid VHDX region table.")


def _named_regions(table: bytes, count: int, name: str) -> dict[bytes, _Place]:
    found: dict[bytes, _Place] = {}
    for index in range(count):
        kind, offset, length, required = _REGION.unpack_from(table, 16 + index * _REGION.size)
        if kind in found:
            raise UnsafeMetadata(f"{name} names a VHDX region twice.")
        if kind in (_BAT, _METADATA):
            found[kind] = _Place(offset, length)
        elif required & 1:
            raise UnsupportedFeature(f"{name} needs the unknown VHDX region {UUID(bytes_le=kind)}.")
    if len(found) < 2:
        raise UnsafeMetadata(f"{name} lacks a VHDX region.")
    return found


def _items(file: Reader, metadata: _Place, name: str) -> dict[bytes, _Place]:
    table = whole(file, metadata.offset, _TABLE_BYTES, name=name, what="VHDX metadata")
    magic, _, count = struct.unpack_from("<8sHH", table)
    if magic != b"metadata" or count > _MOST_ENTRIES:
        raise UnsafeMetadata(f"{name} has no valid VHDX metadata.")
    found: dict[bytes, _Place] = {}
    for index in range(count):
        kind, offset, length, flags = _ITEM.unpack_from(table, 32 + index * 32)
        if kind not in _ITEMS:
            if flags & _REQUIRED_ITEM:
                raise UnsupportedFeature(f"{name} needs the unknown VHDX item {UUID(bytes_le=kind)}.")
            continue
        if kind in found:
            raise UnsafeMetadata(f"{name} has a VHDX item twice.")
        if offset < _TABLE_BYTES or length > _MAX_ITEM or offset + length > metadata.length:
            raise UnsafeMetadata(f"{name} has a VHDX item outside its region.")
        found[kind] = _Place(metadata.offset + offset, length)
    if _PARENT in found:
        raise UnsafeBackingFile(f"{name} is a differencing VHDX, which names a parent file.")
    return found


def _parameters(file: Reader, items: dict[bytes, _Place], name: str) -> tuple[int, int, int]:
    """The sizes of a block, of a sector and of the disk."""

    def item(kind: bytes, form: str) -> tuple[int, ...]:
        place = items.get(kind)
        if place is None or place.length != struct.calcsize(form):
            raise UnsafeMetadata(f"{name} lacks a VHDX item that every disk has.")
        return struct.unpack(form, whole(file, place.offset, place.length, name=name, what="VHDX metadata"))

    block, flags = item(_PARAMETERS, "<II")
    (size,) = item(_SIZE, "<Q")
    (sector,) = item(_SECTOR_SIZE, "<I")
    if flags & _HAS_PARENT:
        raise UnsafeBackingFile(f"{name} is a differencing VHDX, which has a parent file.")
    if not (power_of_two(block) and MIB <= block <= 256 * MIB) or sector not in (512, 4096) or size % sector:
        raise UnsafeMetadata(f"{name} claims VHDX blocks of {block} and sectors of {sector} bytes.")
    return block, sector, size


def _check_blocks(file: Reader, bat: _Place, block: int, sector: int, size: int, name: str) -> None:
    """The table has an entry for each block, and after some of them one for a bitmap."""
    blocks = -(-size // block)
    ratio = (sector << 23) // block
    needed = blocks + max(0, blocks - 1) // ratio
    if needed * 8 > bat.length:
        raise UnsafeMetadata(f"{name} has a block table that is too short for its size.")
    numbers = entries(file.read(bat.offset, min(needed * 8, MAX_TABLE_READ)), "Q")
    last = max((number >> 20 for number in numbers if number & 7 in _PRESENT), default=0) * MIB
    if last >= file.size:
        raise ImageTruncated(f"{name} has {file.size} bytes, but a block at {last}.")
