"""Reading a qcow2 header strictly: everything that could open another file or exhaust its reader is refused.

The layout is that of QEMU's docs/interop/qcow2.rst. Only the header is read, never the tables it points to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from image_library.domain.errors import (
    ImageTruncated,
    UnsafeBackingFile,
    UnsafeDataFile,
    UnsafeMetadata,
    UnsupportedFeature,
    VirtualSizeTooLarge,
    printable,
)

MAGIC = b"QFI\xfb"
# A header with its extensions lies within the first cluster; ours are never longer than this.
HEADER_BYTES = 64 * 1024
MIB = 1 << 20
MAX_VIRTUAL_SIZE = 2 << 40
MAX_L1_BYTES = 32 * MIB
MAX_REFCOUNT_BYTES = 8 * MIB
MAX_SNAPSHOTS = 64

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_END, _BACKING_FORMAT, _DATA_FILE = 0, 0xE2792ACA, 0x44415441
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _ZSTD, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _ZSTD | _EXTENDED_L2


@dataclass(frozen=True, kw_only=True)
class Qcow2Header:
    """The header's fields that matter here. Sizes and offsets in bytes."""

    version: int
    virtual_size: int
    cluster_bits: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    backing_file: str
    incompatible: int
    header_length: int
    extensions: frozenset[int]


def read_header(data: bytes, *, name: str) -> Qcow2Header:
    """The header in a file's first bytes: HEADER_BYTES of them, or all that it has.

    Raises:
        ImageTruncated: it ends in the middle of its header.
        UnsupportedFeature: it is not version 2 or 3.
        UnsafeMetadata: a field points outside what a header may use.
    """
    if len(data) < _V2.size:
        raise ImageTruncated(f"{name} ends within its qcow2 header.")
    fields = _V2.unpack_from(data)
    (_, version, backing_offset, backing_length, cluster_bits, size, encryption) = fields[:7]
    (l1_entries, l1_offset, refcount_offset, refcount_clusters, snapshots, snapshots_offset) = fields[7:13]
    if version not in (2, 3):
        raise UnsupportedFeature(f"{name} is qcow2 version {version}; versions 2 and 3 are supported.")
    incompatible, header_length = 0, _V2.size
    if version == 3:
        if len(data) < _V2.size + _V3.size:
            raise ImageTruncated(f"{name} ends within its qcow2 header.")
        incompatible, _, _, _, header_length = _V3.unpack_from(data, _V2.size)
    return Qcow2Header(
        version=version,
        virtual_size=size,
        cluster_bits=cluster_bits,
        encryption=encryption,
        l1_entries=l1_entries,
        l1_offset=l1_offset,
        refcount_offset=refcount_offset,
        refcount_clusters=refcount_clusters,
        snapshots=snapshots,
        snapshots_offset=snapshots_offset,
        backing_file=_backing_file(data, backing_offset, backing_length),
        incompatible=incompatible,
        header_length=header_length,
        extensions=_extensions(data, header_length, name=name),
    )


def _backing_file(data: bytes, offset: int, length: int) -> str:
    if not offset:
        return ""
    return data[offset : offset + min(length, 1023)].decode(errors="replace") or "(unreadable)"


def _extensions(data: bytes, start: int, *, name: str) -> frozenset[int]:
    """The kinds of the header's extensions."""
    if start % 8 or not _V2.size <= start <= 4096:
        raise UnsafeMetadata(f"{name} claims a qcow2 header of {start} bytes.")
    found: set[int] = set()
    while start + 8 <= len(data):
        kind, length = struct.unpack_from(">II", data, start)
        if kind == _END:
            return frozenset(found)
        found.add(kind)
        start += 8 + -(-length // 8) * 8
        if start > HEADER_BYTES:
            raise UnsafeMetadata(f"{name} has a qcow2 header extension of {length} bytes.")
    raise ImageTruncated(f"{name} ends within its qcow2 header.")


def check(
    header: Qcow2Header, *, name: str, file_size: int, max_virtual_size: int = MAX_VIRTUAL_SIZE
) -> None:
    """Refuse an image that is not plain, safe and whole as far as its header tells.

    Raises:
        UnsafeBackingFile, UnsafeDataFile, UnsupportedFeature, UnsafeMetadata, VirtualSizeTooLarge,
        ImageTruncated
    """
    if header.backing_file:
        raise UnsafeBackingFile(f"{name} has the backing file '{printable(header.backing_file)}'.")
    if _BACKING_FORMAT in header.extensions:
        raise UnsafeBackingFile(f"{name} names a format for a backing file.")
    if header.incompatible & _EXTERNAL_DATA or _DATA_FILE in header.extensions:
        raise UnsafeDataFile(f"{name} keeps its data in another file.")
    _check_features(header, name)
    _check_tables(header, name)
    if header.virtual_size > max_virtual_size:
        claim, limit = in_words(header.virtual_size), in_words(max_virtual_size)
        raise VirtualSizeTooLarge(f"{name} claims a disk of {claim}; the limit is {limit}.")
    _check_whole(header, name, file_size)


def _check_features(header: Qcow2Header, name: str) -> None:
    if header.encryption:
        raise UnsupportedFeature(f"{name} is encrypted.")
    if header.incompatible & _DIRTY:
        raise UnsupportedFeature(f"{name} was not closed properly (its dirty bit is set).")
    if header.incompatible & _CORRUPT:
        raise UnsupportedFeature(f"{name} is marked as corrupt.")
    unknown = header.incompatible & ~_KNOWN
    if unknown:
        bit = (unknown & -unknown).bit_length() - 1
        raise UnsupportedFeature(f"{name} needs the unknown qcow2 feature {bit}.")


def _check_tables(header: Qcow2Header, name: str) -> None:
    if not 9 <= header.cluster_bits <= 21:
        raise UnsafeMetadata(f"{name} claims clusters of 2^{header.cluster_bits} bytes.")
    for table, size, limit in (
        ("first-level table", header.l1_entries * 8, MAX_L1_BYTES),
        ("reference-count table", header.refcount_clusters << header.cluster_bits, MAX_REFCOUNT_BYTES),
    ):
        if size > limit:
            raise UnsafeMetadata(
                f"{name} claims a {table} of {in_words(size)}; the limit is {in_words(limit)}."
            )
    if header.snapshots > MAX_SNAPSHOTS:
        raise UnsafeMetadata(f"{name} claims {header.snapshots} snapshots; the limit is {MAX_SNAPSHOTS}.")


def _check_whole(header: Qcow2Header, name: str, file_size: int) -> None:
    entries = 1 << (header.cluster_bits - (4 if header.incompatible & _EXTENDED_L2 else 3))
    if header.l1_entries < -(-header.virtual_size // (entries << header.cluster_bits)):
        raise UnsafeMetadata(f"{name} has a first-level table that is too short for its size.")
    cluster = 1 << header.cluster_bits
    if header.l1_offset % cluster or header.refcount_offset % cluster or not header.refcount_offset:
        raise UnsafeMetadata(f"{name} has tables that are not aligned to its clusters.")
    for end in (
        header.l1_offset + header.l1_entries * 8,
        header.refcount_offset + header.refcount_clusters * cluster,
        header.snapshots_offset if header.snapshots else 0,
    ):
        if end > file_size:
            raise ImageTruncated(f"{name} has {file_size} bytes, but its tables go on to {end}.")


def in_words(size: int) -> str:
    """A number of bytes as people read it: "2.5 GiB"."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} PiB" if amount < 1024 else f"{amount / 1024:.1f} EiB"
