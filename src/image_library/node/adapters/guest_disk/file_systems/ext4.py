"""ext2, ext3 and ext4. Source: Linux's Documentation/filesystems/ext4."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from image_library.node.adapters.guest_disk.blocks import MIB, Blocks, Unreadable
from image_library.node.adapters.guest_disk.file_systems.tree import (
    Kind,
    Node,
    assembled,
    kind_of_mode,
)

_SUPERBLOCK_AT = 1024
_ROOT = 2
_HAS_JOURNAL, _EXTENTS, _64BIT = 4, 0x40, 0x80
# Of the incompatible features: those that change nothing for a reader, and those that are read here.
_READABLE = (
    0x2 | 0x4 | _EXTENTS | _64BIT | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000
)
_INODE_EXTENTS, _INODE_INLINE, _INODE_ENCRYPTED = 0x80000, 0x10000000, 0x800
_EXTENT_MAGIC = 0xF30A
_MOST_DEPTH = 5
_LONGEST_EXTENT = 32768
_MOST_FOLDER_BYTES = 16 * MIB
_DIRECT = 12

# A run of blocks: the first within the file, the first on the volume (0: zeros), how many.
_Run = tuple[int, int, int]


class Ext4:
    def __init__(self, volume: Blocks) -> None:
        block = volume.read(_SUPERBLOCK_AT, 1024)
        (self._first_data_block, log_size) = struct.unpack_from("<II", block, 20)
        (self._inodes_per_group,) = struct.unpack_from("<I", block, 40)
        (revision,) = struct.unpack_from("<I", block, 76)
        (self._inode_size,) = struct.unpack_from("<H", block, 88) if revision else (128,)
        compatible, incompatible = struct.unpack_from("<II", block, 92)
        if incompatible & ~_READABLE:
            raise Unreadable(f"it uses ext4 features that are not read ({incompatible & ~_READABLE:#x})")
        if log_size > 6 or not self._inodes_per_group or not 128 <= self._inode_size <= 65536:
            raise Unreadable("its ext4 file system is damaged")
        self._volume = volume
        self._block = 1024 << log_size
        self._wide = bool(incompatible & _64BIT)
        (wide_size,) = struct.unpack_from("<H", block, 254)
        self._descriptor = max(wide_size, 64) if self._wide else 32
        older = "ext3" if compatible & _HAS_JOURNAL else "ext2"
        self.name = "ext4" if incompatible & _EXTENTS else older
        self._inodes: dict[int, bytes] = {}

    @property
    def root(self) -> Node:
        return self.node(_ROOT)

    def key(self, name: str) -> str:
        return name

    def node(self, place: int) -> Node:
        inode = self._inode(place)
        (mode,) = struct.unpack_from("<H", inode)
        (low,) = struct.unpack_from("<I", inode, 4)
        (high,) = struct.unpack_from("<I", inode, 108)
        kind = kind_of_mode(mode)
        return Node(kind=kind, size=low | (high << 32 if kind is Kind.FILE else 0), place=place)

    def entries(self, folder: Node) -> Iterator[tuple[str, int]]:
        data = self.content(folder, _MOST_FOLDER_BYTES)
        at = 4 if self._is_inline(folder.place) else 0
        while at + 8 <= len(data):
            inode, length, name_length = struct.unpack_from("<IHB", data, at)
            if length < 8:
                raise Unreadable("its ext4 file system is damaged")
            if inode and name_length:
                name = data[at + 8 : at + 8 + name_length]
                yield name.decode(errors="surrogateescape"), inode
            at += length

    def content(self, node: Node, most: int) -> bytes:
        length = min(node.size, most)
        inode = self._inode(node.place)
        (flags,) = struct.unpack_from("<I", inode, 32)
        if flags & _INODE_ENCRYPTED:
            raise Unreadable("its files are encrypted")
        inside = inode[40:100]
        if self._is_inline(node.place) or (node.kind is Kind.LINK and node.size < 60):
            if node.size > len(inside):
                raise Unreadable("it keeps the rest of a small file in attributes, which are not read")
            return inside[:length]
        runs = self._extents(inside, _MOST_DEPTH) if flags & _INODE_EXTENTS else self._pointers(inside)
        return assembled(length, self._pieces(runs, length))

    def _is_inline(self, place: int) -> bool:
        (flags,) = struct.unpack_from("<I", self._inode(place), 32)
        return bool(flags & _INODE_INLINE)

    def _inode(self, number: int) -> bytes:
        if number not in self._inodes:
            group, index = divmod(number - 1, self._inodes_per_group)
            at = (self._first_data_block + 1) * self._block + group * self._descriptor
            descriptor = self._volume.read(at, self._descriptor)
            (table,) = struct.unpack_from("<I", descriptor, 8)
            if self._wide:
                table |= struct.unpack_from("<I", descriptor, 40)[0] << 32
            place = table * self._block + index * self._inode_size
            self._inodes[number] = self._volume.read(place, min(self._inode_size, 160)).ljust(160, b"\0")
        return self._inodes[number]

    def _pieces(self, runs: Iterator[_Run], length: int) -> Iterator[tuple[int, bytes]]:
        for first, physical, count in runs:
            offset = first * self._block
            if offset >= length:
                return
            if physical:
                size = min(count * self._block, length - offset)
                yield offset, self._volume.read(physical * self._block, size)

    def _extents(self, node: bytes, depth: int) -> Iterator[_Run]:
        magic, entries, _, levels = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or levels > depth:
            raise Unreadable("its ext4 file system is damaged")
        for at in range(12, 12 + entries * 12, 12):
            if levels:
                _, low, high = struct.unpack_from("<IIH", node, at)
                below = self._volume.read((low | high << 32) * self._block, self._block)
                yield from self._extents(below, levels - 1)
            else:
                first, count, high, low = struct.unpack_from("<IHHI", node, at)
                if count <= _LONGEST_EXTENT:
                    yield first, low | high << 32, count

    def _pointers(self, inside: bytes) -> Iterator[_Run]:
        """The older map: twelve blocks, then blocks of pointers in one, two and three stages."""
        numbers = struct.unpack("<15I", inside)
        for index in range(_DIRECT):
            yield index, numbers[index], 1
        first = _DIRECT
        for stages in (1, 2, 3):
            yield from self._pointed(numbers[_DIRECT + stages - 1], first, stages)
            first += (self._block // 4) ** stages

    def _pointed(self, number: int, first: int, stages: int) -> Iterator[_Run]:
        if not number:
            return
        if not stages:
            yield first, number, 1
            return
        below = self._volume.read(number * self._block, self._block)
        step = (self._block // 4) ** (stages - 1)
        for index, pointer in enumerate(struct.unpack(f"<{self._block // 4}I", below)):
            yield from self._pointed(pointer, first + index * step, stages - 1)
