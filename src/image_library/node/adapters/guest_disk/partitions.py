"""Partition tables: GPT and MBR, with its logical partitions.

Sources: UEFI 2.10, chapter 5; for the MBR what Linux's block/partitions/msdos.c accepts.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from image_library.domain.image_formats import has_partitions
from image_library.node.adapters.guest_disk.blocks import Blocks, Unreadable

_SECTOR = 512
_MOST_PARTITIONS = 128
_BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649").bytes_le
_LEGACY_BOOTABLE = 4
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE = 0xEE
_BOOT_CODE_BYTES = 440


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Where it lies, in bytes."""

    start: int
    size: int
    # A BIOS finds its next stage here: a "BIOS boot" partition, or one that is marked as bootable.
    bios: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    partitions: tuple[Partition, ...]
    # There is a program in the first sector, and it has somewhere to go on where that can be seen.
    boot_code: bool


def read_table(disk: Blocks) -> Table:
    """Empty for a disk without partitions. Those that lie outside the disk are passed over."""
    first = disk.read(0, min(_SECTOR, disk.size))
    if not has_partitions(first):
        return Table(partitions=(), boot_code=False)
    code = any(first[:_BOOT_CODE_BYTES])
    gpt = _inside(disk, _gpt(disk))
    if gpt:
        return Table(partitions=gpt, boot_code=code and any(partition.bios for partition in gpt))
    return Table(partitions=_inside(disk, _mbr(disk, first)), boot_code=code)


def _inside(disk: Blocks, found: Iterator[Partition]) -> tuple[Partition, ...]:
    fits = (p for p in found if p.start > 0 and p.size > 0 and p.start + p.size <= disk.size)
    return tuple(partition for partition, _ in zip(fits, range(_MOST_PARTITIONS), strict=False))


def _gpt(disk: Blocks) -> Iterator[Partition]:
    for sector in (_SECTOR, 4096):
        if disk.size > 2 * sector and (header := disk.read(sector, 92))[:8] == b"EFI PART":
            at, count, size = struct.unpack_from("<QII", header, 72)
            if not 128 <= size <= 4096:
                return
            for index in range(min(count, _MOST_PARTITIONS)):
                entry = disk.read(at * sector + index * size, 128)
                first, last, attributes = struct.unpack_from("<QQQ", entry, 32)
                if any(entry[:16]):
                    yield Partition(
                        start=first * sector,
                        size=(last - first + 1) * sector,
                        bios=entry[:16] == _BIOS_BOOT or bool(attributes & _LEGACY_BOOTABLE),
                    )
            return


def _rows(sector: bytes) -> list[tuple[int, int, int]]:
    """Kind, first sector and number of sectors of a table's rows that are in use."""
    rows = [struct.unpack_from("<B3xB3xII", sector, 446 + 16 * index) for index in range(4)]
    # The first byte is 0 or 80h; a boot sector without a table has code there.
    if any(flag not in (0, 0x80) for flag, *_ in rows):
        return []
    return [(kind, start, count) for _, kind, start, count in rows if kind and count]


def _mbr(disk: Blocks, first: bytes) -> Iterator[Partition]:
    for kind, start, count in _rows(first):
        if kind in _EXTENDED:
            yield from _logical(disk, start)
        elif kind != _PROTECTIVE:
            yield Partition(start=start * _SECTOR, size=count * _SECTOR)


def _logical(disk: Blocks, base: int) -> Iterator[Partition]:
    """A chain of tables, each with one partition and the place of the next table."""
    here = base
    for _ in range(_MOST_PARTITIONS):
        try:
            table = disk.read(here * _SECTOR, _SECTOR)
        except Unreadable:
            return
        if not has_partitions(table):
            return
        following = 0
        for kind, start, count in _rows(table):
            if kind in _EXTENDED:
                following = base + start
            else:
                yield Partition(start=(here + start) * _SECTOR, size=count * _SECTOR)
        if following <= here:
            return
        here = following
