"""XFS, versions 4 and 5. Source: XFS Algorithms & Data Structures, 3rd edition, and Linux's xfs_format.h."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from image_library.node.adapters.guest_disk.blocks import Blocks, Unreadable
from image_library.node.adapters.guest_disk.file_systems.tree import (
    Kind,
    Node,
    assembled,
    kind_of_mode,
)

# All up to metadata folders; among them are big timestamps and large extent counts.
_READABLE = 0x1FF
_FTYPE, _V4_FTYPE = 1, 0x200
_LARGE_COUNTS = 1 << 4
_LOCAL, _EXTENTS, _BTREE = 1, 2, 3
_MOST_DEPTH = 8
# Behind this offset in a folder lie its indexes, and no names.
_INDEXES_AT = 32 << 30
_MOST_FOLDER_BLOCKS = 4096

# First block within the file, first block on the volume, how many.
_Run = tuple[int, int, int]


class Xfs:
    name = "xfs"

    def __init__(self, volume: Blocks) -> None:
        block = volume.read(0, 512)
        (self._block,) = struct.unpack_from(">I", block, 4)
        (self._root,) = struct.unpack_from(">Q", block, 56)
        (self._group_blocks,) = struct.unpack_from(">I", block, 84)
        version, _, self._inode_size = struct.unpack_from(">HHH", block, 100)
        self._block_log, _, _, self._per_block_log, self._group_log = struct.unpack_from(">5B", block, 120)
        (folder_log,) = struct.unpack_from(">B", block, 192)
        (features2,) = struct.unpack_from(">I", block, 200)
        (incompatible,) = struct.unpack_from(">I", block, 216)
        self._five = version & 0xF == 5
        if self._five and incompatible & ~_READABLE:
            raise Unreadable(f"it uses XFS features that are not read ({incompatible & ~_READABLE:#x})")
        if self._block != 1 << self._block_log or not 9 <= self._block_log <= 16 or folder_log > 7:
            raise Unreadable("its XFS file system is damaged")
        self._volume = volume
        self._typed = bool(incompatible & _FTYPE) if self._five else bool(features2 & _V4_FTYPE)
        self._folder_block = self._block << folder_log
        self._core = 176 if self._five else 100

    @property
    def root(self) -> Node:
        return self.node(self._root)

    def key(self, name: str) -> str:
        return name

    def node(self, place: int) -> Node:
        inode = self._inode(place)
        (mode,) = struct.unpack_from(">H", inode, 2)
        (size,) = struct.unpack_from(">Q", inode, 56)
        return Node(kind=kind_of_mode(mode), size=size, place=place)

    def entries(self, folder: Node) -> Iterator[tuple[str, int]]:
        inode = self._inode(folder.place)
        if inode[5] == _LOCAL:
            yield from self._short_entries(self._fork(inode))
            return
        for first, physical, count in self._runs(inode):
            for index in range(0, min(count, _MOST_FOLDER_BLOCKS), self._folder_block // self._block):
                if (first + index) * self._block < _INDEXES_AT:
                    at = self._offset(physical + index)
                    yield from self._block_entries(self._volume.read(at, self._folder_block))

    def content(self, node: Node, most: int) -> bytes:
        length = min(node.size, most)
        inode = self._inode(node.place)
        if inode[5] == _LOCAL:
            return self._fork(inode)[:length]
        if node.kind is Kind.LINK and self._five:
            return self._long_target(inode, length)
        return assembled(length, self._pieces(inode, length))

    def _inode(self, number: int) -> bytes:
        group = number >> (self._group_log + self._per_block_log)
        block = number >> self._per_block_log & ((1 << self._group_log) - 1)
        index = number & ((1 << self._per_block_log) - 1)
        at = (group * self._group_blocks + block) * self._block + index * self._inode_size
        inode = self._volume.read(at, self._inode_size)
        if inode[:2] != b"IN":
            raise Unreadable("its XFS file system is damaged")
        return inode

    def _fork(self, inode: bytes) -> bytes:
        length = inode[82] * 8
        return inode[self._core : self._core + length] if length else inode[self._core :]

    def _offset(self, block: int) -> int:
        """Where a block lies, whose number has the group in its upper bits."""
        group, inside = block >> self._group_log, block & ((1 << self._group_log) - 1)
        return (group * self._group_blocks + inside) * self._block

    def _pieces(self, inode: bytes, length: int) -> Iterator[tuple[int, bytes]]:
        for first, physical, count in self._runs(inode):
            offset = first * self._block
            if offset >= length:
                return
            size = min(count * self._block, length - offset)
            yield offset, self._volume.read(self._offset(physical), size)

    def _long_target(self, inode: bytes, length: int) -> bytes:
        """Each block of a long link's target begins with a header of 56 bytes."""
        target = b""
        for _, physical, count in self._runs(inode):
            for index in range(min(count, 4)):
                target += self._volume.read(self._offset(physical + index), self._block)[56:]
        return target[:length]

    def _runs(self, inode: bytes) -> Iterator[_Run]:
        fork = self._fork(inode)
        if inode[5] == _EXTENTS:
            (count,) = struct.unpack_from(">I", inode, 76)
            if self._five and struct.unpack_from(">Q", inode, 120)[0] & _LARGE_COUNTS:
                (count,) = struct.unpack_from(">Q", inode, 24)
            yield from _extents(fork, 0, min(count, len(fork) // 16))
        elif inode[5] == _BTREE:
            _, records = struct.unpack_from(">HH", fork)
            pointers = 4 + (len(fork) - 4) // 16 * 8
            yield from self._below(fork, pointers, records, _MOST_DEPTH)
        else:
            raise Unreadable("its XFS file system is damaged")

    def _below(self, node: bytes, pointers: int, records: int, depth: int) -> Iterator[_Run]:
        if not depth or pointers + records * 8 > len(node):
            raise Unreadable("its XFS file system is damaged")
        header = 72 if self._five else 24
        for (pointer,) in struct.iter_unpack(">Q", node[pointers : pointers + records * 8]):
            block = self._volume.read(self._offset(pointer), self._block)
            level, count = struct.unpack_from(">HH", block, 4)
            if block[:4] not in (b"BMA3", b"BMAP"):
                raise Unreadable("its XFS file system is damaged")
            if level:
                most = (self._block - header) // 16
                yield from self._below(block, header + most * 8, count, depth - 1)
            else:
                yield from _extents(block, header, min(count, (self._block - header) // 16))

    def _short_entries(self, fork: bytes) -> Iterator[tuple[str, int]]:
        width = 8 if fork[1] else 4
        at = 2 + width
        for _ in range(fork[0] or fork[1]):
            length = fork[at]
            name = fork[at + 3 : at + 3 + length]
            at += 3 + length + self._typed
            yield name.decode(errors="surrogateescape"), int.from_bytes(fork[at : at + width])
            at += width

    def _block_entries(self, block: bytes) -> Iterator[tuple[str, int]]:
        magic = block[:4]
        if magic not in (b"XDB3", b"XDD3", b"XD2B", b"XD2D"):
            raise Unreadable("its XFS file system is damaged")
        at, end = (64 if self._five else 16), len(block)
        if magic in (b"XDB3", b"XD2B"):
            # A folder of one block has its index at the block's end.
            (leaves,) = struct.unpack_from(">I", block, end - 8)
            end -= 8 + leaves * 8
        while at + 8 < end:
            tag, free = struct.unpack_from(">HH", block, at)
            if tag == 0xFFFF:
                at += max(free, 8)
                continue
            number, length = struct.unpack_from(">QB", block, at)
            yield block[at + 9 : at + 9 + length].decode(errors="surrogateescape"), number
            at += -(-(9 + length + self._typed + 2) // 8) * 8


def _extents(data: bytes, at: int, count: int) -> Iterator[_Run]:
    for high, low in struct.iter_unpack(">QQ", data[at : at + count * 16]):
        # The uppermost bit marks space that was never written.
        if not high >> 63:
            yield high >> 9 & ((1 << 54) - 1), (high & 0x1FF) << 43 | low >> 21, low & 0x1FFFFF
