"""Judging ISO 9660 images, plain and bootable (with a partition table in front), also beside UDF.

Source: ECMA-119, sections 8.1 to 8.4.
"""

from __future__ import annotations

import struct

from image_library.domain.disk_formats.reading import (
    MAX_VIRTUAL_SIZE,
    Reader,
    check_inside,
    check_virtual_size,
    whole,
)
from image_library.domain.errors import UnsafeMetadata, UnsupportedFeature

_FIRST, _DESCRIPTOR_BYTES = 32 << 10, 2048
_MOST_DESCRIPTORS = 32
_MARK = b"CD001"
_PRIMARY, _LAST = 1, 255


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The image's size in bytes.

    Raises:
        UnsupportedFeature: it is UDF alone.
        UnsafeMetadata, ImageTruncated, VirtualSizeTooLarge
    """
    check_virtual_size(file.size, max_virtual_size, name=name)
    for index in range(_MOST_DESCRIPTORS):
        offset = _FIRST + index * _DESCRIPTOR_BYTES
        found = whole(file, offset, _DESCRIPTOR_BYTES, name=name, what="ISO volume descriptors")
        if found[1:6] != _MARK:
            if index == 0:
                raise UnsupportedFeature(f"{name} is UDF without ISO 9660.")
            break
        if found[0] == _PRIMARY:
            return _check_primary(file, found, name)
        if found[0] == _LAST:
            break
    raise UnsafeMetadata(f"{name} has no ISO primary volume descriptor.")


def _check_primary(file: Reader, descriptor: bytes, name: str) -> int:
    little, big = struct.unpack_from("<I", descriptor, 80)[0], struct.unpack_from(">I", descriptor, 84)[0]
    block, same = struct.unpack_from("<H", descriptor, 128)[0], struct.unpack_from(">H", descriptor, 130)[0]
    if descriptor[6] != 1 or little != big or block != same or block not in (512, 1024, 2048) or not little:
        raise UnsafeMetadata(f"{name} has an ISO volume descriptor that contradicts itself.")
    check_inside(little * block, file, name=name, what="ISO volume")
    return file.size
