"""Judging VHD (Connectix, Virtual PC, Azure): fixed and dynamic disks that stand alone.

Source: Microsoft's "Virtual Hard Disk Image Format Specification" 1.0.
"""

from __future__ import annotations

import struct

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
from image_library.domain.errors import ImageTruncated, UnsafeBackingFile, UnsafeMetadata, UnsupportedFeature

COOKIE = b"conectix"
FOOTER_BYTES = 512
_FOOTER = struct.Struct(">8sIIQIIIIQQIII16sB")
_HEADER = struct.Struct(">8sQQIIII16sI4s")
_HEADER_BYTES = 1024
_VERSION = 0x0001_0000
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_NOWHERE, _UNUSED = (1 << 64) - 1, (1 << 32) - 1
_CHECKSUM_AT = {FOOTER_BYTES: 64, _HEADER_BYTES: 36}
_PARENT = slice(40, 56)
_PARENT_NAME = slice(64, 576 + 8 * 24)
_MAX_BLOCK = 256 * MIB


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size, of an image that is plain, safe and whole as far as footer and tables tell.

    Raises:
        UnsafeBackingFile, UnsupportedFeature, UnsafeMetadata, ImageTruncated, VirtualSizeTooLarge
    """
    if file.read(0, len(COOKIE)) != COOKIE:
        return _judge_fixed(file, name, max_virtual_size)
    copy = whole(file, 0, FOOTER_BYTES, name=name, what="VHD footer")
    kind, data_offset, size = _read_footer(copy, name)
    if kind != _DYNAMIC:
        raise UnsafeMetadata(f"{name} is a fixed VHD, but begins as only a dynamic one does.")
    if file.read(file.size - FOOTER_BYTES, FOOTER_BYTES) != copy:
        raise ImageTruncated(f"{name} does not end with its VHD footer.")
    check_virtual_size(size, max_virtual_size, name=name)
    _check_dynamic(file, data_offset, size, name)
    return size


def _judge_fixed(file: Reader, name: str, limit: int) -> int:
    footer = whole(file, file.size - FOOTER_BYTES, FOOTER_BYTES, name=name, what="VHD footer")
    kind, data_offset, size = _read_footer(footer, name)
    if kind != _FIXED or data_offset != _NOWHERE:
        raise UnsafeMetadata(f"{name} is a dynamic VHD without its beginning.")
    check_virtual_size(size, limit, name=name)
    check_inside(size + FOOTER_BYTES, file, name=name, what="disk")
    if file.size != size + FOOTER_BYTES:
        raise UnsafeMetadata(f"{name} has {file.size - FOOTER_BYTES} bytes of disk, but claims {size}.")
    return size


def _read_footer(footer: bytes, name: str) -> tuple[int, int, int]:
    """The kind, where the header of a dynamic disk is, and the disk's size."""
    fields = _FOOTER.unpack_from(footer)
    version, data_offset, size, kind = fields[2], fields[3], fields[9], fields[11]
    if fields[0] != COOKIE:
        raise ImageTruncated(f"{name} does not end with its VHD footer.")
    if kind == _DIFFERENCING:
        raise UnsafeBackingFile(f"{name} is a differencing VHD, which names a parent file.")
    if kind not in (_FIXED, _DYNAMIC):
        raise UnsupportedFeature(f"{name} is a VHD of the unknown kind {kind}.")
    if version != _VERSION:
        raise UnsupportedFeature(f"{name} is a VHD of version {version >> 16}.{version & 0xFFFF}.")
    _check_sum(footer, name)
    if fields[14]:
        raise UnsupportedFeature(f"{name} is the disk of a suspended machine.")
    return kind, data_offset, size


def _check_sum(block: bytes, name: str) -> None:
    """The complement of the sum of all other bytes."""
    at = _CHECKSUM_AT[len(block)]
    (said,) = struct.unpack_from(">I", block, at)
    if ~(sum(block) - sum(block[at : at + 4])) & 0xFFFF_FFFF != said:
        raise UnsafeMetadata(f"{name} has a VHD checksum that is not that of its bytes.")


def _check_dynamic(file: Reader, offset: int, size: int, name: str) -> None:
    header = whole(file, offset, _HEADER_BYTES, name=name, what="VHD header")
    cookie, _, table, version, blocks, block, _, _, _, _ = _HEADER.unpack_from(header)
    if cookie != b"cxsparse" or version != _VERSION:
        raise UnsafeMetadata(f"{name} has no dynamic VHD header where it says.")
    _check_sum(header, name)
    if any(header[_PARENT]) or any(header[_PARENT_NAME]):
        raise UnsafeBackingFile(f"{name} names a parent file in its VHD header.")
    if not (power_of_two(block) and FOOTER_BYTES <= block <= _MAX_BLOCK):
        raise UnsafeMetadata(f"{name} claims blocks of {block} bytes.")
    check_table(blocks * 4, name=name, what="block table")
    if blocks * block < size:
        raise UnsafeMetadata(f"{name} has a block table that is too short for its size.")
    check_inside(table + blocks * 4, file, name=name, what="block table")
    numbers = entries(file.read(table, min(blocks * 4, MAX_TABLE_READ)), "I", big_endian=True)
    last = max((number for number in numbers if number != _UNUSED), default=0)
    # A sector of bits lies before each block; of the last block, only what the disk needs is there.
    check_inside(last * FOOTER_BYTES + FOOTER_BYTES, file, name=name, what="blocks")
