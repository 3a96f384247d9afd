"""Judging images before anything else reads them."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.conversion import DiskInside
from image_library.domain.image import ImageFormat
from image_library.domain.store import ImageFacts
from image_library.node.ports.storage import Output, Part


class Inspector(Protocol):
    """Judging an image by its header, and looking inside. Foreign bytes: what is read has limits."""

    def judge_beginning(self, beginning: bytes, *, name: str, declared: ImageFormat) -> None:
        """Refuse early what cannot become such an image, from its first bytes.

        Raises:
            NotAnImage, AmbiguousFormat, FormatMismatch, UnsupportedFeature
        """
        ...

    async def inspect_part(
        self, part: Part | Output, *, name: str, declared: ImageFormat, size: int
    ) -> ImageFacts:
        """The header's facts and the guest's.

        Raises:
            NotAnImage, AmbiguousFormat, FormatMismatch, ImageTruncated, UnsafeBackingFile, UnsafeDataFile,
            UnsafeVmdkExtent, UnsafeMetadata, UnsupportedArchive, UnsupportedFeature, VirtualSizeTooLarge
        """
        ...

    async def disk_in(self, fd: int, facts: ImageFacts, *, name: str, size: int) -> DiskInside:
        """Where in the open file, which is an image with these facts, the disk is: in an OVA, a piece of it.

        Raises:
            As ``inspect_part``.
        """
        ...

    async def inspect_file(self, path: str, *, name: str, declared: ImageFormat | None) -> ImageFacts:
        """The same for a file; without a declared format, for whatever known format it has.

        Raises:
            Besides those, StorageIo: it cannot be read.
        """
        ...

    async def look_inside(self, path: str, facts: ImageFacts) -> ImageFacts:
        """The header's facts, with the guest's. Never raises."""
        ...
