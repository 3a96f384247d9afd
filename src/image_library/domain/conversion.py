"""What an image becomes when it is converted, and what it was before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.image import ImageFormat


class Packing(Enum):
    """How a whole file is compressed; each value is also its word on the wire."""

    XZ = "xz"
    GZIP = "gz"
    ZSTD = "zst"
    BZIP2 = "bz2"


class Compression(Enum):
    """How the blocks inside an image that we make are compressed."""

    NONE = "none"
    ZSTD = "zstd"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an image is wanted as."""

    format: ImageFormat
    compression: Compression = Compression.NONE


@dataclass(frozen=True, kw_only=True)
class DiskInside:
    """A disk image in a file: the whole of it, or a piece, as of an OVA. Sizes in bytes."""

    format: ImageFormat
    offset: int = 0
    # 0: to the file's end.
    length: int = 0


@dataclass(frozen=True, kw_only=True)
class DiskReport:
    """What qemu-img says of an image that stands alone. Sizes in bytes."""

    format: ImageFormat
    virtual_size_bytes: int
    # It was not closed properly.
    dirty: bool = False
