"""Unpacking files and making other formats of images. Open files only: nothing here takes a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from image_library.domain.conversion import DiskInside, DiskReport, Packing, Shape

# Hears how far something is, from 0 to 1.
Tell = Callable[[float], None]


class Unpacker(Protocol):
    async def unpack(
        self, source: int, packing: Packing, target: int, *, name: str, most: int, room: int, told: Tell
    ) -> None:
        """Writes what is inside ``source`` to ``target``: at most ``most`` bytes, ``room`` of them not zeros.

        Raises:
            DecompressLimit, ImageTruncated, UnsupportedArchive: what is wrong with it.
            StorageFull, StorageIo, ConvertKilled, JailedProgramDied, JailMissing
        """
        ...


class Converter(Protocol):
    """A second opinion on images, which also writes other formats of them.

    All raise ConvertFailed, ConvertKilled, JailedProgramDied, JailMissing, HypervisorMissing, StorageFull.
    """

    async def examine(self, descriptor: int, disk: DiskInside, *, name: str) -> DiskReport:
        """What the open image is, and that it needs no other file.

        Raises:
            UnsafeBackingFile, UnsafeDataFile, UnsafeMetadata, UnsupportedFeature, VirtualSizeTooLarge
        """
        ...

    async def measure(self, descriptor: int, disk: DiskInside, shape: Shape, *, virtual_size: int) -> int:
        """At most how many bytes on a disk the image needs as ``shape``."""
        ...

    async def convert(
        self,
        source: int,
        disk: DiskInside,
        target: int,
        shape: Shape,
        *,
        virtual_size: int,
        most: int,
        told: Tell,
    ) -> None:
        """Writes the image as ``shape`` into the empty file ``target``, of at most ``most`` bytes.

        Raises:
            AllocatedTooLarge: it would be longer.
        """
        ...
