"""btrfs on one device, each subvolume a file system of its own. Source: the btrfs "On-disk Format" page."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from image_library.node.adapters.guest_disk.blocks import Blocks, Unreadable
from image_library.node.adapters.guest_disk.file_systems.tree import (
    Kind,
    Node,
    assembled,
    kind_of_mode,
)
from image_library.node.adapters.guest_disk.unpacking import inflate, unzstd

_SUPERBLOCK_AT = 64 << 10
_TOP_LEVEL, _FIRST_FREE, _LAST_FREE = 5, 256, (1 << 64) - 256
_ROOT_FOLDER, _FOLDER_OF_ROOTS = 256, 6
_INODE_ITEM, _DIR_ITEM, _DIR_INDEX, _EXTENT_DATA, _ROOT_ITEM, _CHUNK_ITEM = 1, 84, 96, 108, 132, 228
_NODE_HEADER = 101
_MOST_DEPTH = 8
_MOST_SUBVOLUMES = 64
# An extent that is compressed never holds more than this, unpacked.
_MOST_UNPACKED = 1 << 20
# RAID0, RAID10, RAID5 and RAID6 spread one piece over several places.
_SPREAD = 1 << 3 | 1 << 6 | 1 << 7 | 1 << 8
_UNPACKERS: Mapping[int, Callable[[bytes, int], bytes]] = {1: inflate, 3: unzstd}
_LZO = 2
_LARGEST = (1 << 64) - 1

_Key = tuple[int, int, int]


class _Trees:
    """Logical addresses and the trees of sorted items; all subvolumes of a volume share them."""

    def __init__(self, volume: Blocks) -> None:
        block = volume.read(_SUPERBLOCK_AT, 4096)
        self.roots, chunks = struct.unpack_from("<QQ", block, 80)
        (devices,) = struct.unpack_from("<Q", block, 136)
        _, self._node_size = struct.unpack_from("<II", block, 144)
        (array,) = struct.unpack_from("<I", block, 160)
        if devices != 1:
            raise Unreadable("it is one of several disks of a btrfs file system")
        if not 4096 <= self._node_size <= 65536 or array > 2048:
            raise Unreadable("its btrfs file system is damaged")
        self._volume = volume
        self._nodes: dict[int, bytes] = {}
        # Logical begin, length, where it lies on the disk.
        self._chunks: list[tuple[int, int, int]] = []
        self._read_array(block[811 : 811 + array])
        for (_, kind, logical), item in self.items(chunks, (0, 0, 0), (_LARGEST, 255, _LARGEST)):
            if kind == _CHUNK_ITEM:
                self._add_chunk(logical, item)

    def _read_array(self, array: bytes) -> None:
        """The chunks that hold the tree of chunks itself."""
        at = 0
        while at + 17 + 48 <= len(array):
            (logical,) = struct.unpack_from("<Q", array, at + 9)
            (stripes,) = struct.unpack_from("<H", array, at + 17 + 44)
            size = 48 + stripes * 32
            self._add_chunk(logical, array[at + 17 : at + 17 + size])
            at += 17 + size

    def _add_chunk(self, logical: int, item: bytes) -> None:
        length, kind = struct.unpack_from("<Q16xQ", item)
        (place,) = struct.unpack_from("<Q", item, 48 + 8)
        if not kind & _SPREAD:
            self._chunks.append((logical, length, place))

    def read(self, logical: int, length: int) -> bytes:
        for begin, size, place in self._chunks:
            if begin <= logical and logical + length <= begin + size:
                return self._volume.read(place + logical - begin, length)
        raise Unreadable("its btrfs file system is damaged")

    def items(
        self, root: int, first: _Key, last: _Key, depth: int = _MOST_DEPTH
    ) -> Iterator[tuple[_Key, bytes]]:
        """The items of a tree from key to key."""
        node = self._node(root)
        count, level = struct.unpack_from("<IB", node, 96)
        if level >= depth or count > self._node_size // 25:
            raise Unreadable("its btrfs file system is damaged")
        if not level:
            yield from _leaf(node, count, first, last)
            return
        pointers = list(struct.iter_unpack("<QBQQ8x", node[_NODE_HEADER : _NODE_HEADER + count * 33]))
        for index, (*key, below) in enumerate(pointers):
            following = pointers[index + 1][:3] if index + 1 < count else None
            if tuple(key) <= last and (following is None or following > first):
                yield from self.items(below, first, last, level)

    def _node(self, logical: int) -> bytes:
        if logical not in self._nodes:
            if len(self._nodes) > 256:
                self._nodes.clear()
            self._nodes[logical] = self.read(logical, self._node_size)
        return self._nodes[logical]

    def tree_of(self, subvolume: int) -> int:
        """Where the tree of a subvolume begins."""
        for _, item in self.items(self.roots, (subvolume, _ROOT_ITEM, 0), (subvolume, _ROOT_ITEM, _LARGEST)):
            return int(struct.unpack_from("<Q", item, 176)[0])
        raise Unreadable("its btrfs file system is damaged")


def _leaf(node: bytes, count: int, first: _Key, last: _Key) -> Iterator[tuple[_Key, bytes]]:
    table = node[_NODE_HEADER : _NODE_HEADER + count * 25]
    for owner, kind, offset, begin, size in struct.iter_unpack("<QBQII", table):
        key = (owner, kind, offset)
        if first <= key <= last:
            yield key, node[_NODE_HEADER + begin : _NODE_HEADER + begin + size]


def roots_of(volume: Blocks) -> Iterator[Subvolume]:
    """The subvolumes: the default one, the top level, then the others as they were made."""
    trees = _Trees(volume)
    default = _default(trees)
    whole_range = (_FIRST_FREE, _ROOT_ITEM, 0), (_LAST_FREE, _ROOT_ITEM, _LARGEST)
    others = [owner for (owner, kind, _), _ in trees.items(trees.roots, *whole_range) if kind == _ROOT_ITEM]
    for number in list(dict.fromkeys([default, _TOP_LEVEL, *others]))[:_MOST_SUBVOLUMES]:
        yield Subvolume(trees, number)


def _default(trees: _Trees) -> int:
    first, last = (_FOLDER_OF_ROOTS, _DIR_ITEM, 0), (_FOLDER_OF_ROOTS, _DIR_ITEM, _LARGEST)
    for _, item in trees.items(trees.roots, first, last):
        for name, (number, _, _) in _names(item):
            if name == "default":
                return number
    return _TOP_LEVEL


def _names(item: bytes) -> Iterator[tuple[str, _Key]]:
    """The names in a folder's item, and the keys that they lead to."""
    at = 0
    while at + 30 <= len(item):
        number, kind, offset, data, name = struct.unpack_from("<QBQ8xHH", item, at)
        yield item[at + 30 : at + 30 + name].decode(errors="surrogateescape"), (number, kind, offset)
        at += 30 + name + data


class Subvolume:
    name = "btrfs"

    def __init__(self, trees: _Trees, number: int) -> None:
        self._trees = trees
        # Which subvolume's tree: a folder may lead into another one.
        self._tree_of: dict[int, int] = {number: trees.tree_of(number)}
        self.root = Node(kind=Kind.FOLDER, size=0, place=_place(number, _ROOT_FOLDER))

    def key(self, name: str) -> str:
        return name

    def node(self, place: int) -> Node:
        tree, inode = self._split(place)
        for _, item in self._trees.items(tree, (inode, _INODE_ITEM, 0), (inode, _INODE_ITEM, _LARGEST)):
            (size,) = struct.unpack_from("<Q", item, 16)
            (mode,) = struct.unpack_from("<I", item, 52)
            return Node(kind=kind_of_mode(mode), size=size, place=place)
        raise Unreadable("its btrfs file system is damaged")

    def entries(self, folder: Node) -> Iterator[tuple[str, int]]:
        tree, inode = self._split(folder.place)
        own = folder.place >> 64
        for _, item in self._trees.items(tree, (inode, _DIR_INDEX, 0), (inode, _DIR_INDEX, _LARGEST)):
            for name, (number, kind, _) in _names(item):
                yield name, _place(number, _ROOT_FOLDER) if kind == _ROOT_ITEM else _place(own, number)

    def content(self, node: Node, most: int) -> bytes:
        length = min(node.size, most)
        return assembled(length, self._pieces(node.place, length))

    def _split(self, place: int) -> tuple[int, int]:
        subvolume, inode = place >> 64, place & _LARGEST
        if subvolume not in self._tree_of:
            self._tree_of[subvolume] = self._trees.tree_of(subvolume)
        return self._tree_of[subvolume], inode

    def _pieces(self, place: int, length: int) -> Iterator[tuple[int, bytes]]:
        tree, inode = self._split(place)
        for (_, _, offset), item in self._trees.items(
            tree, (inode, _EXTENT_DATA, 0), (inode, _EXTENT_DATA, max(0, length - 1))
        ):
            whole, packing, kind = struct.unpack_from("<8xQB3xB", item)
            if kind == 0:
                yield offset, _unpacked(item[21:], packing, whole)
            elif kind == 1:
                at, size, begin, count = struct.unpack_from("<QQQQ", item, 21)
                count = min(count, length - offset)
                if not at:
                    continue
                if packing:
                    data = _unpacked(self._trees.read(at, min(size, _MOST_UNPACKED)), packing, whole)
                    yield offset, data[begin : begin + count]
                else:
                    yield offset, self._trees.read(at + begin, count)


def _place(subvolume: int, inode: int) -> int:
    return subvolume << 64 | inode


def _unpacked(data: bytes, packing: int, length: int) -> bytes:
    if not packing:
        return data
    unpacker = _UNPACKERS.get(packing)
    if unpacker is None or length > _MOST_UNPACKED:
        method = "LZO" if packing == _LZO else "in an unknown way"
        raise Unreadable(f"its files are compressed ({method}), which is not read")
    # The end of a file's last extent is not stored.
    return unpacker(data, length).ljust(length, b"\0")
