"""Small images with true headers, made in memory."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

CLUSTER = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Qcow2:
    """The fields of a version 3 header that tests turn into something else."""

    virtual_size: int = 1 << 30
    version: int = 3
    cluster_bits: int = 16
    encryption: int = 0
    l1_entries: int = 8
    l1_offset: int = 2 * CLUSTER
    refcount_offset: int = CLUSTER
    refcount_clusters: int = 1
    snapshots: int = 0
    backing_file: bytes = b""
    incompatible: int = 0
    header_length: int = 104
    # Kind and content of each header extension.
    extensions: tuple[tuple[int, bytes], ...] = ()

    def header(self) -> bytes:
        areas = b"".join(
            struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")
            for kind, data in self.extensions
        ) + bytes(8)
        backing_offset = 104 + len(areas) if self.backing_file else 0
        fixed = struct.pack(
            ">4sIQIIQIIQQIIQ",
            b"QFI\xfb",
            self.version,
            backing_offset,
            len(self.backing_file),
            self.cluster_bits,
            self.virtual_size,
            self.encryption,
            self.l1_entries,
            self.l1_offset,
            self.refcount_offset,
            self.refcount_clusters,
            self.snapshots,
            3 * CLUSTER if self.snapshots else 0,
        )
        rest = struct.pack(">QQQII", self.incompatible, 0, 0, 4, self.header_length)
        return fixed + rest + areas + self.backing_file

    def file(self, size: int = 4 * CLUSTER, *, seed: int = 1) -> bytes:
        """A file of ``size`` bytes that begins with this header and empty tables; the rest is noise."""
        tables = self.header().ljust(3 * CLUSTER, b"\0")[: max(size, CLUSTER)]
        return tables + random.Random(seed).randbytes(max(0, size - 3 * CLUSTER))


def iso() -> bytes:
    """A volume of 17 blocks with nothing but its primary descriptor (ECMA-119, 8.4)."""
    descriptor = bytearray(b"\1CD001\1" + bytes(2041))
    struct.pack_into("<I", descriptor, 80, 17)
    struct.pack_into(">I", descriptor, 84, 17)
    struct.pack_into("<H", descriptor, 128, 2048)
    struct.pack_into(">H", descriptor, 130, 2048)
    return bytes(32 << 10) + bytes(descriptor)


def raw_disk(size: int = 1 << 20) -> bytes:
    """A disk with an MBR."""
    return bytes(510) + b"\x55\xaa" + bytes(size - 512)
