"""Judging raw disks by their partition tables: whether the disk is all there.

Source: UEFI specification 2.10, section 5.
"""

from __future__ import annotations

import struct

from image_library.domain.disk_formats.reading import (
    MAX_VIRTUAL_SIZE,
    Reader,
    check_inside,
    check_virtual_size,
)

_SECTOR_SIZES = (512, 4096)
_MBR_ENTRIES, _ENTRY_BYTES = 446, 16
_PROTECTIVE = 0xEE


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size in bytes. Raises ImageTruncated, VirtualSizeTooLarge."""
    check_virtual_size(file.size, max_virtual_size, name=name)
    sector = file.read(0, 512)
    if sector[510:512] != b"\x55\xaa":
        return file.size
    rows = [sector[_MBR_ENTRIES + n * _ENTRY_BYTES :][:_ENTRY_BYTES] for n in range(4)]
    if any(row[0] not in (0, 0x80) for row in rows):
        # A file system's boot sector, whose code lies there.
        return file.size
    if any(row[4] == _PROTECTIVE for row in rows):
        _check_gpt(file, name)
        return file.size
    for row in rows:
        begin, sectors = struct.unpack_from("<II", row, 8)
        if row[4] and sectors:
            check_inside(begin * 512 + 1, file, name=name, what="partitions")
    return file.size


def _check_gpt(file: Reader, name: str) -> None:
    """A GPT's copy lies at the disk's end."""
    for size in _SECTOR_SIZES:
        header = file.read(size, 92)
        if header[:8] == b"EFI PART" and len(header) == 92:
            (copy,) = struct.unpack_from("<Q", header, 32)
            check_inside((copy + 1) * size, file, name=name, what="partition table")
            return
