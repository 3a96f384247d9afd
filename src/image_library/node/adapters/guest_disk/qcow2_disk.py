"""The disk inside a qcow2 file, read piece by piece. Whatever would open another file is refused before.

The layout is that of QEMU's docs/interop/qcow2.rst.
"""

from __future__ import annotations

import struct
from collections import OrderedDict

from image_library.domain import qcow2
from image_library.node.adapters.guest_disk.blocks import Blocks, Unreadable
from image_library.node.adapters.guest_disk.unpacking import inflate, unzstd

_OFFSET = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED, _ZERO = 1 << 62, 1
_EXTENDED_L2, _COMPRESSION = 16, 8
_COMPRESSION_TYPE_AT = 104
_SUBCLUSTERS = 32
# Unpacked clusters are kept, as the next read is often for the same one.
_MOST_KEPT = 8 << 20


class Qcow2Disk:
    """Raises the domain's errors for a header that is not plain, safe and whole.

    ``backing``: the disk below, as the caller knows it; what the header says of one is not heeded then.
    """

    def __init__(
        self, file: Blocks, *, max_virtual_size: int = qcow2.MAX_VIRTUAL_SIZE, backing: Blocks | None = None
    ) -> None:
        beginning = file.read(0, min(qcow2.HEADER_BYTES, file.size))
        header = qcow2.read_header(beginning, name="it")
        if backing is not None:
            header = qcow2.without_backing(header)
        qcow2.check(header, name="it", file_size=file.size, max_virtual_size=max_virtual_size)
        self._file = file
        self._backing = backing
        self.size = header.virtual_size
        self._l1_offset = header.l1_offset
        self._bits = header.cluster_bits
        self._extended = bool(header.incompatible & _EXTENDED_L2)
        self._zero_flag = header.version > 2
        self._zstd = bool(header.incompatible & _COMPRESSION) and beginning[_COMPRESSION_TYPE_AT] == 1
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Unreadable("it points outside itself")
        step = 1 << self._bits
        if self._extended:
            step //= _SUBCLUSTERS
        pieces: list[bytes] = []
        while length:
            here = min(length, step - offset % step)
            pieces.append(self._piece(offset, here))
            offset, length = offset + here, length - here
        return b"".join(pieces)

    def _piece(self, offset: int, length: int) -> bytes:
        """A piece that lies within one cluster, and within one subcluster where there are such."""
        entry, bitmap = self._entry(offset >> self._bits)
        inside = offset & ((1 << self._bits) - 1)
        if entry & _COMPRESSED:
            return self._unpacked(entry)[inside : inside + length]
        host = entry & _OFFSET
        zeros = bool(self._zero_flag and entry & _ZERO)
        if self._extended:
            part = inside * _SUBCLUSTERS >> self._bits
            allocated, zeros = bitmap >> part & 1, bool(bitmap >> (part + _SUBCLUSTERS) & 1)
        else:
            allocated = host and not zeros
        if allocated:
            return self._file.read(host + inside, length)
        return bytes(length) if zeros else self._below(offset, length)

    def _below(self, offset: int, length: int) -> bytes:
        """What the disk below shows there; zeros behind its end."""
        if self._backing is None:
            return bytes(length)
        there = max(0, min(length, self._backing.size - offset))
        return (self._backing.read(offset, there) if there else b"") + bytes(length - there)

    def _entry(self, cluster: int) -> tuple[int, int]:
        """The second-level entry of a cluster and, where there are subclusters, which of them are there."""
        size = 16 if self._extended else 8
        per_table = (1 << self._bits) // size
        (first,) = struct.unpack(">Q", self._file.read(self._l1_offset + cluster // per_table * 8, 8))
        table = first & _OFFSET
        if not table:
            return 0, 0
        words = struct.unpack(f">{size // 8}Q", self._file.read(table + cluster % per_table * size, size))
        return words[0], words[-1]

    def _unpacked(self, entry: int) -> bytes:
        if entry in self._kept:
            self._kept.move_to_end(entry)
            return self._kept[entry]
        # The lower bits are the place; those above tell how many sectors follow the one it lies in.
        split = 62 - (self._bits - 8)
        at = entry & ((1 << split) - 1)
        sectors = (entry & (_COMPRESSED - 1)) >> split
        packed = min((sectors + 1) * 512 - at % 512, self._file.size - at)
        data = self._file.read(at, max(packed, 0))
        size = 1 << self._bits
        unpacked = unzstd(data, size) if self._zstd else inflate(data, size, raw=True)
        if len(unpacked) != size:
            raise Unreadable("its compressed data are damaged")
        self._kept[entry] = unpacked
        if len(self._kept) > max(1, _MOST_KEPT >> self._bits):
            self._kept.popitem(last=False)
        return self._kept[entry]
