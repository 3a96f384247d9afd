"""File systems that are read, and which one a volume has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from image_library.node.adapters.guest_disk.blocks import Blocks
from image_library.node.adapters.guest_disk.file_systems.btrfs import roots_of
from image_library.node.adapters.guest_disk.file_systems.ext4 import Ext4
from image_library.node.adapters.guest_disk.file_systems.fat import Fat
from image_library.node.adapters.guest_disk.file_systems.tree import FileSystem
from image_library.node.adapters.guest_disk.file_systems.xfs import Xfs

# Where each has its mark.
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"XFSB", "xfs"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (0x438, b"\x53\xef", "ext4"),
    (3, b"NTFS    ", "NTFS"),
    (3, b"-FVE-FS-", "BitLocker"),
    (3, b"EXFAT   ", "exFAT"),
    (54, b"FAT", "vfat"),
    (82, b"FAT32", "vfat"),
    (0, b"LUKS\xba\xbe", "LUKS encryption"),
    (512, b"LABELONE", "LVM"),
    (0, b"hsqs", "squashfs"),
    (0x8001, b"CD001", "ISO 9660"),
    (1024, b"\x10\x20\xf5\xf2", "f2fs"),
    (1024, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (65536 + 1372, b"\x19\x01\x54\x19", "UFS"),
    (4086, b"SWAPSPACE2", ""),
)
# Each opens a volume as the file systems that it may hold: btrfs has one for each subvolume.
_READERS: Mapping[str, Callable[[Blocks], list[FileSystem]]] = {
    "xfs": lambda volume: [Xfs(volume)],
    "btrfs": lambda volume: [*roots_of(volume)],
    "ext4": lambda volume: [Ext4(volume)],
    "vfat": lambda volume: [Fat(volume)],
}


def kind_of(volume: Blocks) -> str:
    """What the volume holds by its mark; empty for what has none that is known."""
    for offset, mark, kind in _MARKS:
        if volume.size >= offset + len(mark) and volume.read(offset, len(mark)) == mark:
            return kind
    return ""


def is_read(kind: str) -> bool:
    return kind in _READERS


def opened(volume: Blocks, kind: str) -> list[FileSystem]:
    """Raises Unreadable, and what unpacking damaged structures raises."""
    return _READERS[kind](volume)
