"""What an image becomes when it is converted, and what it was before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.image import ImageFormat


class Packing(Enum):
    """How a whole file is compressed; each value is also its word on the wire."""

    XZ = "xz"
    GZIP = "gz"
    ZSTD = "zst"
    BZIP2 = "bz2"


_MAGICS = (
    (b"\xfd7zXZ\0", Packing.XZ),
    (b"\x1f\x8b", Packing.GZIP),
    (b"\x28\xb5\x2f\xfd", Packing.ZSTD),
    (b"BZh", Packing.BZIP2),
)
# How many bytes ``packing_of`` wants to see.
MAGIC_BYTES = 6


def packing_of(beginning: bytes) -> Packing | None:
    """By the first bytes, never by a name; None for what is not packed."""
    return next((packing for magic, packing in _MAGICS if beginning.startswith(magic)), None)


class Compression(Enum):
    """How the blocks inside an image that we make are compressed."""

    NONE = "none"
    ZSTD = "zstd"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an image is wanted as."""

    format: ImageFormat
    compression: Compression = Compression.NONE

    def __str__(self) -> str:
        inside = self.compression
        return self.format.value if inside is Compression.NONE else f"{self.format.value}+{inside.value}"

    def fits(self, found: ImageFormat) -> bool:
        """Whether an image of that format may stay as it is."""
        return found is self.format and self.compression is Compression.NONE


# As it came.
SAME = "same"
# What is made here.
TARGETS = (
    ImageFormat.QCOW2,
    ImageFormat.RAW,
    ImageFormat.VMDK,
    ImageFormat.VHD,
    ImageFormat.VHDX,
    ImageFormat.VDI,
)


def wished_shape(target: str, compression: str, *, field: str) -> Shape | None:
    """What these words ask for; without a target qcow2, and None for "same".

    Raises:
        InvalidRequest: they cannot be had, or not together.
    """
    inside = {c.value: c for c in Compression}.get(compression.lower() or "none")
    if inside is None:
        raise InvalidRequest(
            f"'{printable(compression)}' is no compression.", remedy="Use zstd.", field=field
        )
    if target.lower() == SAME and inside is Compression.NONE:
        return None
    wanted = {f.value: f for f in TARGETS}.get(target.lower() or "qcow2")
    if wanted is None and target.lower() != SAME:
        known = ", ".join(f.value for f in TARGETS)
        raise InvalidRequest(
            f"Images do not become '{printable(target)}'.", remedy=f"Use {known}.", field=field
        )
    if inside is not Compression.NONE and wanted is not ImageFormat.QCOW2:
        raise InvalidRequest("Only qcow2 images are compressed inside.", remedy="Ask for qcow2.", field=field)
    return Shape(format=wanted, compression=inside) if wanted else None


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
