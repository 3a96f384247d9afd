"""Judging VDI (VirtualBox): a dynamic or static disk that stands alone.

Source: VirtualBox's VDICore.h; what QEMU makes of it: block/vdi.c.
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
from image_library.domain.errors import UnsafeBackingFile, UnsafeMetadata, UnsupportedFeature

_HEADER_BYTES = 512
_VERSION = 0x0001_0001
_KINDS = {3: "an undo disk", 4: "a differencing disk"}
_DYNAMIC, _STATIC = 1, 2
_MAX_BLOCK = 256 * MIB
# Where a block that was never written is said to be, and one of zeros.
_NOT_THERE = 0xFFFF_FFFE


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size, of an image that is plain, safe and whole as far as header and map tell.

    Raises:
        UnsafeBackingFile, UnsupportedFeature, UnsafeMetadata, ImageTruncated, VirtualSizeTooLarge
    """
    header = whole(file, 0, _HEADER_BYTES, name=name, what="VDI header")
    version, _, kind = struct.unpack_from("<III", header, 0x44)
    map_at, data_at = struct.unpack_from("<II", header, 0x154)
    (sector,) = struct.unpack_from("<I", header, 0x168)
    size, block, extra, blocks, allocated = struct.unpack_from("<QIIII", header, 0x170)
    if version != _VERSION:
        raise UnsupportedFeature(
            f"{name} is VDI version {version >> 16}.{version & 0xFFFF}; 1.1 is supported."
        )
    # The images that this one is linked to, and its parent.
    if kind in _KINDS or any(header[0x1A8:0x1C8]):
        raise UnsafeBackingFile(
            f"{name} is {_KINDS.get(kind, 'a VDI with a parent')}, which needs another file."
        )
    if kind not in (_DYNAMIC, _STATIC):
        raise UnsupportedFeature(f"{name} is a VDI of the unknown kind {kind}.")
    if sector != 512 or extra or not (power_of_two(block) and MIB <= block <= _MAX_BLOCK):
        raise UnsafeMetadata(f"{name} claims VDI blocks of {block} bytes and sectors of {sector}.")
    check_virtual_size(size, max_virtual_size, name=name)
    check_table(blocks * 4, name=name, what="block map")
    if blocks * block < size or allocated > blocks:
        raise UnsafeMetadata(f"{name} has a block map that does not fit its size.")
    if map_at < _HEADER_BYTES or data_at < map_at + blocks * 4 or map_at % 512 or data_at % 512:
        raise UnsafeMetadata(f"{name} has its block map in a place where none may be.")
    check_inside(map_at + blocks * 4, file, name=name, what="block map")
    check_inside(data_at + allocated * block, file, name=name, what="blocks")
    numbers = entries(file.read(map_at, min(blocks * 4, MAX_TABLE_READ)), "I")
    # Zeros at the end are not among them: they would name the first block.
    if max((number for number in numbers if number < _NOT_THERE), default=-1) >= allocated:
        raise UnsafeMetadata(f"{name} maps a block that it does not have.")
    return size
