"""FAT12, FAT16 and FAT32 with long names. Source: Microsoft's FAT specification of 2000."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from image_library.node.adapters.guest_disk.blocks import MIB, Blocks, Unreadable
from image_library.node.adapters.guest_disk.file_systems.tree import Kind, Node

_ENTRY = 32
_LONG_NAME, _LABEL, _FOLDER = 0x0F, 0x08, 0x10
_MOST_FOLDER_BYTES = 2 * MIB
_ROOT = -1


class Fat:
    name = "vfat"

    def __init__(self, volume: Blocks) -> None:
        sector = volume.read(0, 512)
        per_sector, per_cluster, reserved, tables, in_root, small = struct.unpack_from("<HBHBHH", sector, 11)
        small_table, large, large_table = struct.unpack_from("<H8xII", sector, 22)
        if per_sector not in (512, 1024, 2048, 4096) or not per_cluster or not tables:
            raise Unreadable("its FAT file system is damaged")
        table = (small_table or large_table) * per_sector
        self._volume = volume
        self._table_at = reserved * per_sector
        self._root_at = self._table_at + tables * table
        self._root_size = in_root * _ENTRY
        self._data_at = self._root_at + -(-self._root_size // per_sector) * per_sector
        self._cluster = per_cluster * per_sector
        clusters = ((small or large) * per_sector - self._data_at) // self._cluster
        self._bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        (first,) = struct.unpack_from("<I", sector, 44)
        self._root_cluster = first if self._bits == 32 else 0
        # A place stands for where its folder's row lies, so that a file's size is known as well.
        self._nodes: dict[int, Node] = {}

    @property
    def root(self) -> Node:
        return Node(kind=Kind.FOLDER, size=0, place=_ROOT)

    def key(self, name: str) -> str:
        return name.casefold()

    def node(self, place: int) -> Node:
        return self._nodes[place]

    def entries(self, folder: Node) -> Iterator[tuple[str, int]]:
        data = self._folder(folder)
        long_name: list[str] = []
        for at in range(0, len(data) - _ENTRY + 1, _ENTRY):
            row = data[at : at + _ENTRY]
            if row[0] == 0:
                return
            attributes = row[11]
            if row[0] == 0xE5 or (attributes & _LABEL and attributes != _LONG_NAME):
                long_name = []
            elif attributes == _LONG_NAME:
                text = (row[1:11] + row[14:26] + row[28:32]).decode("utf-16-le", "replace")
                long_name.insert(0, text.partition("\0")[0])
            else:
                yield "".join(long_name) or _short_name(row), self._remember(row)
                long_name = []

    def content(self, node: Node, most: int) -> bytes:
        return self._chain(node.place, min(node.size, most))[: min(node.size, most)]

    def _remember(self, row: bytes) -> int:
        (high,) = struct.unpack_from("<H", row, 20)
        low, size = struct.unpack_from("<HI", row, 26)
        place = low | (high << 16 if self._bits == 32 else 0)
        kind = Kind.FOLDER if row[11] & _FOLDER else Kind.FILE
        self._nodes[place] = Node(kind=kind, size=size, place=place)
        return place

    def _folder(self, folder: Node) -> bytes:
        if folder.place != _ROOT:
            return self._chain(folder.place, _MOST_FOLDER_BYTES)
        if self._root_cluster:
            return self._chain(self._root_cluster, _MOST_FOLDER_BYTES)
        return self._volume.read(self._root_at, self._root_size)

    def _chain(self, cluster: int, most: int) -> bytes:
        """The clusters from this one on, until there are ``most`` bytes or the chain ends."""
        data = b""
        while 2 <= cluster < self._end() and len(data) < most:
            data += self._volume.read(self._data_at + (cluster - 2) * self._cluster, self._cluster)
            cluster = self._following(cluster)
        return data

    def _end(self) -> int:
        return {12: 0xFF7, 16: 0xFFF7, 32: 0x0FFFFFF7}[self._bits]

    def _following(self, cluster: int) -> int:
        at = self._table_at + cluster * self._bits // 8
        if self._bits == 32:
            (value,) = struct.unpack("<I", self._volume.read(at, 4))
            return value & 0x0FFFFFFF
        (value,) = struct.unpack("<H", self._volume.read(at, 2))
        if self._bits == 12:
            value = value >> 4 if cluster % 2 else value & 0xFFF
        return value


def _short_name(row: bytes) -> str:
    stem, suffix = (part.decode("cp437").rstrip() for part in (row[:8], row[8:11]))
    return f"{stem}.{suffix}" if suffix else stem
