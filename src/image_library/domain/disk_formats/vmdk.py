"""Judging VMDK: one sparse file that names no other, monolithicSparse or streamOptimized.

Source: VMware's "Virtual Disk Format 1.1"; what QEMU makes of it: block/vmdk.c.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from image_library.domain.disk_formats.reading import (
    MAX_TABLE_READ,
    MAX_VIRTUAL_SIZE,
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
    UnsafeVmdkExtent,
    UnsupportedFeature,
    printable,
)

_SECTOR = 512
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_NEWLINES = b"\n \r\n"
_AT_END = (1 << 64) - 1
_FOOTER = 3
# QEMU looks for a parent here, whatever the header says of its descriptor.
_DESCRIPTOR_AT, _LOOKED_AT = _SECTOR, 20 * _SECTOR
_MAX_DESCRIPTOR = 64 << 10
_MAX_LINES = 1000
_HAS_MARKERS, _REDUNDANT = 1 << 17, 2
_KINDS = ("monolithicsparse", "streamoptimized")
_EXTENT = re.compile(r"(rw|rdonly|noaccess)\s+(\d+)\s+(\w+)\s*(.*)", re.IGNORECASE)
# A comment, a fact of the disk's own data base, or one of the header's.
_LINE = re.compile(r"#|ddb|[^\s=]+=", re.IGNORECASE)
_NO_PARENT = "ffffffff"


@dataclass(frozen=True, kw_only=True)
class _Header:
    version: int
    flags: int
    # These four in sectors.
    capacity: int
    grain: int
    descriptor: int
    descriptor_size: int
    entries: int
    redundant: int
    directory: int
    overhead: int
    newlines: bytes
    compression: int


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size, of an image that is plain, safe and whole as far as header and directory tell.

    Raises:
        UnsafeVmdkExtent, UnsafeBackingFile, UnsupportedFeature, UnsafeMetadata, ImageTruncated,
        VirtualSizeTooLarge
    """
    magic = file.read(0, 4)
    if magic == b"COWD":
        raise UnsupportedFeature(f"{name} is a VMDK of ESX's old sparse kind (COWD).")
    if magic != b"KDMV":
        text = file.read(0, _MAX_DESCRIPTOR)
        _check_parent(text, name)
        extent = _EXTENT.search(text.decode("latin-1"))
        named = f" ({printable(extent[4].strip())})" if extent else ""
        raise UnsafeVmdkExtent(f"{name} is a descriptor only: its disk lies in other files{named}.")
    header = _unpack(whole(file, 0, _SECTOR, name=name, what="VMDK header"))
    _check_header(header, name)
    _check_descriptor(file, header, name)
    if header.directory == _AT_END:
        header = _footer(file, header, name)
    size = header.capacity * _SECTOR
    check_virtual_size(size, max_virtual_size, name=name)
    _check_directory(file, header, name)
    return size


def _unpack(sector: bytes) -> _Header:
    (_, version, flags, capacity, grain, descriptor, descriptor_size) = _HEADER.unpack_from(sector)[:7]
    (per_table, redundant, directory, overhead, _, newlines, compression) = _HEADER.unpack_from(sector)[7:]
    return _Header(
        version=version,
        flags=flags,
        capacity=capacity,
        grain=grain,
        descriptor=descriptor,
        descriptor_size=descriptor_size,
        entries=per_table,
        redundant=redundant,
        directory=directory,
        overhead=overhead,
        newlines=newlines,
        compression=compression,
    )


def _check_header(header: _Header, name: str) -> None:
    if not 1 <= header.version <= 3:
        raise UnsupportedFeature(f"{name} is a sparse VMDK of version {header.version}.")
    if header.capacity == 0 or header.descriptor == 0:
        raise UnsafeVmdkExtent(f"{name} is a part of a disk that lies in several files.")
    if header.newlines != _NEWLINES:
        raise UnsafeMetadata(f"{name} was damaged by a transfer as text.")
    if header.compression > 1:
        raise UnsupportedFeature(f"{name} is compressed by the unknown method {header.compression}.")
    if not (power_of_two(header.grain) and 8 <= header.grain <= 2048):
        raise UnsafeMetadata(f"{name} claims grains of {header.grain} sectors.")
    if header.entries != _SECTOR:
        raise UnsafeMetadata(f"{name} claims tables of {header.entries} entries; they have 512.")
    if header.descriptor * _SECTOR != _DESCRIPTOR_AT:
        raise UnsafeMetadata(f"{name} has its descriptor in another place than the second sector.")
    if not 1 <= header.descriptor_size * _SECTOR <= _MAX_DESCRIPTOR:
        raise UnsafeMetadata(f"{name} claims a descriptor of {header.descriptor_size} sectors.")


def _check_descriptor(file: Reader, header: _Header, name: str) -> None:
    size = header.descriptor_size * _SECTOR
    around = file.read(_DESCRIPTOR_AT, max(size, _LOOKED_AT))
    _check_parent(around, name)
    if len(around) < size:
        raise ImageTruncated(f"{name} ends within its VMDK descriptor.")
    text = around[:size].partition(b"\0")[0].decode("latin-1")
    # As QEMU does it: other marks that Python takes for the end of a line are letters here.
    lines = [line.strip() for line in text.split("\n")]
    if len(lines) > _MAX_LINES:
        raise UnsafeMetadata(f"{name} has a descriptor of {len(lines)} lines.")
    # Twice the same words would let two readers see two descriptors.
    kinds = re.findall(r'createtype\s*=\s*"?([^"\s]*)', text, re.IGNORECASE)
    if len(kinds) != 1 or kinds[0].lower() not in _KINDS:
        raise UnsafeVmdkExtent(
            f"{name} is a VMDK of the kind '{printable(', '.join(kinds))}', which can name other files."
        )
    _check_extents(lines, name)


def _check_extents(lines: list[str], name: str) -> None:
    extents: list[re.Match[str]] = []
    for line in lines:
        extent = _EXTENT.fullmatch(line)
        if extent:
            extents.append(extent)
        elif line and not _LINE.match(line):
            raise UnsafeMetadata(f"{name} has a line in its descriptor that means nothing.")
    if len(extents) != 1:
        raise UnsafeVmdkExtent(f"{name} names {len(extents)} extents; one is its own.")
    kind, named = extents[0][3], extents[0][4]
    if kind.upper() != "SPARSE":
        raise UnsafeVmdkExtent(f"{name} has an extent of the kind {printable(kind, 20)}.")
    if "/" in named or "\\" in named:
        raise UnsafeVmdkExtent(f"{name} names the file {printable(named)}.")


def _check_parent(text: bytes, name: str) -> None:
    plain = text.lower()
    at = plain.find(b"parentfilenamehint")
    if at >= 0:
        hint = text[at : at + 300].partition(b"\n")[0].decode("latin-1")
        raise UnsafeBackingFile(f"{name} names a parent file: {printable(hint)}.")
    for parent in re.findall(rb"parentcid\s*=\s*(\w*)", plain):
        if parent.decode("latin-1") != _NO_PARENT:
            raise UnsafeBackingFile(
                f"{name} has a parent (parentCID={printable(parent.decode('latin-1'), 20)})."
            )


def _footer(file: Reader, header: _Header, name: str) -> _Header:
    """The header at the end of a stream, where programs look once they know that there is one."""
    end = file.read(max(0, file.size - 3 * _SECTOR), 3 * _SECTOR)
    if end[_SECTOR : _SECTOR + 4] != b"KDMV" or len(end) < 3 * _SECTOR:
        raise ImageTruncated(f"{name} has no footer: its end is missing.")
    footer = _unpack(end[_SECTOR : 2 * _SECTOR])
    same = ("version", "capacity", "grain", "descriptor", "descriptor_size", "entries", "compression")
    if any(getattr(footer, field) != getattr(header, field) for field in same):
        raise UnsafeMetadata(f"{name} says one thing in its header and another in its footer.")
    if footer.directory == _AT_END:
        raise UnsafeMetadata(f"{name} names another footer in its footer.")
    mark = struct.pack("<8xII496x", 0, _FOOTER)
    if end[8:_SECTOR] != mark[8:] or any(end[2 * _SECTOR :]):
        raise UnsafeMetadata(f"{name} has a footer without its marks.")
    return footer


def _check_directory(file: Reader, header: _Header, name: str) -> None:
    """The directory and the tables it names lie inside the file."""
    tables = -(-header.capacity // (header.entries * header.grain))
    size = tables * 4
    check_table(size, name=name, what="grain directory")
    places = [header.directory]
    if header.flags & _REDUNDANT and not header.flags & _HAS_MARKERS:
        places.append(header.redundant)
    for place in places:
        if not place:
            raise UnsafeMetadata(f"{name} has no grain directory.")
        check_inside(place * _SECTOR + size, file, name=name, what="grain directory")
        data = file.read(place * _SECTOR, min(size, MAX_TABLE_READ))
        last = max(entries(data, "I"), default=0)
        if last:
            check_inside(last * _SECTOR + header.entries * 4, file, name=name, what="grain tables")
