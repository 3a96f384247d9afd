"""Judging qcow2 strictly: everything that could open another file or exhaust its reader is refused.

The layout is that of QEMU's docs/interop/qcow2.rst. The header is read whole, of the tables that it points to
no more than a bounded part.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from image_library.domain.disk_formats.reading import (
    MAX_TABLE_READ,
    MAX_VIRTUAL_SIZE,
    MIB,
    Reader,
    check_inside,
    check_table,
    check_virtual_size,
    entries,
    whole,
)
from image_library.domain.errors import (
    ImageTruncated,
    UnsafeBackingFile,
    UnsafeDataFile,
    UnsafeMetadata,
    UnsupportedFeature,
    printable,
)

MAGIC = b"QFI\xfb"
# A header with its extensions lies within the first cluster; ours are never longer than this.
HEADER_BYTES = 64 * 1024
MAX_L1_BYTES = 32 * MIB
MAX_REFCOUNT_BYTES = 8 * MIB
MAX_SNAPSHOTS = 64
MAX_BITMAPS = 64
# QEMU's own limit for what a snapshot says besides.
_MAX_SNAPSHOT_EXTRA = 1024

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_SNAPSHOT = struct.Struct(">QIHHIIQII")
_COMPRESSION_AT = 104
_END, _BACKING_FORMAT, _DATA_FILE = 0, 0xE2792ACA, 0x44415441
_BITMAPS, _ENCRYPTION = 0x23852875, 0x0537BE77
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _COMPRESSION | _EXTENDED_L2
_LUKS = 2
_CIPHERS = {1: "AES", _LUKS: "LUKS"}
_ZSTD = 1
_MOST_REFCOUNT_ORDER = 6
# Where a table's entry points; the other bits are flags or reserved.
_OFFSET = 0x00FF_FFFF_FFFF_FE00


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
    data_file: str
    incompatible: int
    header_length: int
    # Zero for zlib.
    compression: int
    refcount_order: int
    # Where the content of each extension begins in the file, and how long it is.
    extensions: dict[int, tuple[int, int]]

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits


def judge(file: Reader, *, name: str, max_virtual_size: int = MAX_VIRTUAL_SIZE) -> int:
    """The disk's size, of an image that is plain, safe and whole as far as header and tables tell.

    Raises: as ``read_header`` and ``check`` do.
    """
    header = read_header(file.read(0, HEADER_BYTES), name=name)
    check(header, name=name, file_size=file.size, max_virtual_size=max_virtual_size)
    _check_bitmaps(file, header, name)
    _check_snapshots(file, header, name)
    _check_pointers(file, header.l1_offset, header.l1_entries * 8, header.cluster, name)
    refcounts = header.refcount_clusters * header.cluster
    _check_pointers(file, header.refcount_offset, refcounts, header.cluster, name)
    return header.virtual_size


def read_header(data: bytes, *, name: str) -> Qcow2Header:
    """The header in a file's first bytes: HEADER_BYTES of them, or all that it has.

    Raises:
        ImageTruncated: it ends in the middle of its header.
        UnsupportedFeature: it is not version 2 or 3.
        UnsafeMetadata: a field points outside what a header may use.
    """
    if len(data) < 8:
        raise ImageTruncated(f"{name} ends within its qcow2 header.")
    (version,) = struct.unpack_from(">I", data, 4)
    if version not in (2, 3):
        raise UnsupportedFeature(f"{name} is qcow2 version {version}; versions 2 and 3 are supported.")
    if len(data) < _V2.size + (_V3.size if version == 3 else 0):
        raise ImageTruncated(f"{name} ends within its qcow2 header.")
    fields = _V2.unpack_from(data)
    (_, version, backing_offset, backing_length, cluster_bits, size, encryption) = fields[:7]
    (l1_entries, l1_offset, refcount_offset, refcount_clusters, snapshots, snapshots_offset) = fields[7:13]
    incompatible, refcount_order, header_length = 0, 4, _V2.size
    if version == 3:
        incompatible, _, _, refcount_order, header_length = _V3.unpack_from(data, _V2.size)
    extensions = _extensions(data, header_length, cluster_bits, name=name)
    compression = data[_COMPRESSION_AT] if min(header_length, len(data)) > _COMPRESSION_AT else 0
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
        backing_file=_text(data, backing_offset, backing_length),
        data_file=_text(data, *extensions.get(_DATA_FILE, (0, 0))),
        incompatible=incompatible,
        header_length=header_length,
        compression=compression,
        refcount_order=refcount_order,
        extensions=extensions,
    )


def _text(data: bytes, offset: int, length: int) -> str:
    if not offset:
        return ""
    return data[offset : offset + min(length, 1023)].decode(errors="replace") or "(unreadable)"


def _extensions(data: bytes, start: int, cluster_bits: int, *, name: str) -> dict[int, tuple[int, int]]:
    """The header's extensions. They end with their mark, or with the first cluster."""
    if start % 8 or not _V2.size <= start <= 4096:
        raise UnsafeMetadata(f"{name} claims a qcow2 header of {start} bytes.")
    end = min(HEADER_BYTES, 1 << min(cluster_bits, 21))
    found: dict[int, tuple[int, int]] = {}
    while start + 8 <= end:
        if start + 8 > len(data):
            raise ImageTruncated(f"{name} ends within its qcow2 header.")
        kind, length = struct.unpack_from(">II", data, start)
        if kind == _END:
            break
        if kind in found:
            raise UnsafeMetadata(f"{name} has the qcow2 header extension 0x{kind:08x} twice.")
        found[kind] = (start + 8, length)
        start += 8 + -(-length // 8) * 8
        if start > end:
            raise UnsafeMetadata(f"{name} has a qcow2 header extension of {length} bytes.")
    return found


def is_unclosed(beginning: bytes) -> bool:
    """Whether the dirty bit is set: whoever wrote the qcow2 did not close it, and its tables may be wrong."""
    if not beginning.startswith(MAGIC) or len(beginning) < _V2.size + _V3.size:
        return False
    (version,) = struct.unpack_from(">I", beginning, 4)
    return version >= 3 and bool(_V3.unpack_from(beginning, _V2.size)[0] & _DIRTY)


def without_backing(header: Qcow2Header) -> Qcow2Header:
    """The header of one of our own overlays: what is below it is known otherwise, and not believed of it."""
    kept = {kind: place for kind, place in header.extensions.items() if kind != _BACKING_FORMAT}
    return replace(header, backing_file="", extensions=kept)


def check(
    header: Qcow2Header, *, name: str, file_size: int, max_virtual_size: int = MAX_VIRTUAL_SIZE
) -> None:
    """Refuse an image that is not plain, safe and whole as far as its header tells.

    One that was not closed is passed on: what its tables are worth, ``qemu-img check`` finds out.

    Raises:
        UnsafeBackingFile, UnsafeDataFile, UnsupportedFeature, UnsafeMetadata, VirtualSizeTooLarge,
        ImageTruncated
    """
    if header.backing_file:
        raise UnsafeBackingFile(f"{name} has the backing file '{printable(header.backing_file)}'.")
    if _BACKING_FORMAT in header.extensions:
        raise UnsafeBackingFile(f"{name} names a format for a backing file.")
    if header.incompatible & _EXTERNAL_DATA or _DATA_FILE in header.extensions:
        named = f", '{printable(header.data_file)}'" if header.data_file else ""
        raise UnsafeDataFile(f"{name} keeps its data in another file{named}.")
    _check_features(header, name)
    check_virtual_size(header.virtual_size, max_virtual_size, name=name)
    _check_tables(header, name)
    _check_whole(header, name, file_size)


def _check_features(header: Qcow2Header, name: str) -> None:
    if header.encryption or _ENCRYPTION in header.extensions:
        cipher = _CIPHERS.get(header.encryption or _LUKS, f"method {header.encryption}")
        raise UnsupportedFeature(f"{name} is encrypted ({cipher}).")
    if header.incompatible & _CORRUPT:
        raise UnsupportedFeature(f"{name} is marked as corrupt (qcow2 feature bit 1 is set).")
    unknown = header.incompatible & ~_KNOWN
    if unknown:
        bit = (unknown & -unknown).bit_length() - 1
        raise UnsupportedFeature(f"{name} needs the unknown qcow2 feature {bit}.")
    if header.compression > _ZSTD:
        raise UnsupportedFeature(f"{name} is compressed by the unknown method {header.compression}.")
    if bool(header.incompatible & _COMPRESSION) != bool(header.compression):
        raise UnsafeMetadata(f"{name} contradicts itself about how it is compressed (qcow2 feature bit 3).")


def _check_tables(header: Qcow2Header, name: str) -> None:
    least = 14 if header.incompatible & _EXTENDED_L2 else 9
    if not least <= header.cluster_bits <= 21:
        raise UnsafeMetadata(f"{name} claims clusters of 2^{header.cluster_bits} bytes.")
    if header.refcount_order > _MOST_REFCOUNT_ORDER:
        raise UnsafeMetadata(f"{name} claims reference counts of 2^{header.refcount_order} bits.")
    check_table(header.l1_entries * 8, name=name, what="first-level table", limit=MAX_L1_BYTES)
    refcounts = header.refcount_clusters << header.cluster_bits
    check_table(refcounts, name=name, what="reference-count table", limit=MAX_REFCOUNT_BYTES)
    if header.snapshots > MAX_SNAPSHOTS:
        raise UnsafeMetadata(f"{name} claims {header.snapshots} snapshots; the limit is {MAX_SNAPSHOTS}.")


def _check_whole(header: Qcow2Header, name: str, file_size: int) -> None:
    entries_of_l2 = 1 << (header.cluster_bits - (4 if header.incompatible & _EXTENDED_L2 else 3))
    if header.l1_entries < -(-header.virtual_size // (entries_of_l2 << header.cluster_bits)):
        raise UnsafeMetadata(f"{name} has a first-level table that is too short for its size.")
    cluster = header.cluster
    if header.l1_offset % cluster or header.refcount_offset % cluster or not header.refcount_offset:
        raise UnsafeMetadata(f"{name} has tables that are not aligned to its clusters.")
    for end in (
        header.l1_offset + header.l1_entries * 8,
        header.refcount_offset + header.refcount_clusters * cluster,
        header.snapshots_offset if header.snapshots else 0,
    ):
        if end > file_size:
            raise ImageTruncated(f"{name} has {file_size} bytes, but its tables go on to {end}.")


def _check_bitmaps(file: Reader, header: Qcow2Header, name: str) -> None:
    """Dirty bitmaps, which backup programs leave behind; listing them costs their reader memory."""
    begin, length = header.extensions.get(_BITMAPS, (0, 0))
    if not begin:
        return
    if length != 24:
        raise UnsafeMetadata(f"{name} has a bitmaps extension of {length} bytes; it has 24.")
    number, _, size, offset = struct.unpack(">IIQQ", whole(file, begin, 24, name=name, what="header"))
    if number > MAX_BITMAPS:
        raise UnsafeMetadata(f"{name} claims {number} bitmaps; the limit is {MAX_BITMAPS}.")
    check_table(size, name=name, what="directory of bitmaps", limit=MIB)
    check_inside(offset + size, file, name=name, what="directory of bitmaps")


def _check_snapshots(file: Reader, header: Qcow2Header, name: str) -> None:
    """Each snapshot's entry: its own first-level table, and how much text there is to read."""
    offset = header.snapshots_offset
    if header.snapshots and offset % header.cluster:
        raise UnsafeMetadata(f"{name} has a list of snapshots that is not aligned to its clusters.")
    for _ in range(header.snapshots):
        entry = whole(file, offset, _SNAPSHOT.size, name=name, what="list of snapshots")
        l1_offset, l1_entries, id_length, name_length, _, _, _, _, extra = _SNAPSHOT.unpack(entry)
        if extra > _MAX_SNAPSHOT_EXTRA:
            raise UnsafeMetadata(f"{name} has a snapshot with {extra} bytes of its own.")
        check_table(l1_entries * 8, name=name, what="snapshot's table", limit=MAX_L1_BYTES)
        check_inside(l1_offset + l1_entries * 8, file, name=name, what="snapshot's table")
        end = offset + _SNAPSHOT.size + extra + id_length + name_length
        check_inside(end, file, name=name, what="list of snapshots")
        offset = -(-end // 8) * 8


def _check_pointers(file: Reader, offset: int, size: int, cluster: int, name: str) -> None:
    """That the tables which a table names lie inside the file; of a long one the beginning is read."""
    data = file.read(offset, min(size, MAX_TABLE_READ))
    last = max((entry & _OFFSET for entry in entries(data, "Q", big_endian=True)), default=0)
    if last:
        check_inside(last + cluster, file, name=name, what="tables")
