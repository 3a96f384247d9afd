"""Ten gibibytes of nothing in as few bytes as each way of packing permits, built without packing so much."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib

import zstandard

from image_library.domain.conversion import Packing
from tests.support.corpus.good import CLUSTER, qcow2
from tests.support.corpus.patching import be64, patched

MIB = 1 << 20
SIZE = 10 << 30
# So many members a file may have.
_MEMBERS = 64
_PIECE = bytes(16 * MIB)
# What bzip2 makes one block of at least, where it is zeros.
_BLOCK = 43 * MIB
_BZIP2_BLOCK, _BZIP2_END = 0x314159265359, 0x177245385090
_WORD = (1 << 32) - 1


def bomb(packing: Packing) -> bytes:
    if packing is Packing.BZIP2:
        return bzip2(SIZE // _BLOCK + 1)
    compressor = {
        Packing.XZ: lambda: lzma.LZMACompressor(preset=0),
        Packing.GZIP: lambda: zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
        Packing.ZSTD: lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    }[packing]()
    pieces = SIZE // _MEMBERS // len(_PIECE)
    return (b"".join(compressor.compress(_PIECE) for _ in range(pieces)) + compressor.flush()) * _MEMBERS


def bzip2(blocks: int) -> bytes:
    """One member of that many full blocks of zeros, _BLOCK bytes and a little more each.

    Source: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf
    """
    packed = bz2.compress(bytes(64 * MIB))
    bits = f"{int.from_bytes(packed, 'big'):0{8 * len(packed)}b}"
    mark = f"{_BZIP2_BLOCK:048b}"
    begin = bits.index(mark)
    block = bits[begin : bits.index(mark, begin + 1)]
    checksum, whole = int(block[48:80], 2), 0
    for _ in range(blocks):
        whole = (whole << 1 & _WORD | whole >> 31) ^ checksum
    made = bits[:begin] + block * blocks + f"{_BZIP2_END:048b}{whole:032b}"
    made += "0" * (-len(made) % 8)
    return int(made, 2).to_bytes(len(made) // 8, "big")


def packed_inside(size: int = SIZE) -> bytes:
    """A qcow2 all of whose tables are one table, whose clusters are one packed cluster (CVE-2013-4463)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    cluster = packer.compress(b"A" * CLUSTER) + packer.flush()
    entries = CLUSTER // 8
    tables = -(-size // (entries * CLUSTER))
    return patched(
        qcow2(virtual_size=size),
        (3 * CLUSTER, be64(4 * CLUSTER | 1 << 63) * tables),
        (4 * CLUSTER, struct.pack(f">{entries}Q", *([1 << 62 | 5 * CLUSTER] * entries))),
        (5 * CLUSTER, cluster.ljust(512, b"\0")),
    )
