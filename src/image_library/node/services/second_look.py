"""The second opinion on an image, which must not be another one."""

from __future__ import annotations

from image_library.domain.conversion import DiskInside, DiskReport
from image_library.domain.errors import FormatMismatch
from image_library.domain.image import ImageFormat
from image_library.domain.store import ImageFacts
from image_library.node.ports.conversion import Converter

# Those that qemu-img has nothing to say about: they have no header, or none of a disk.
_HEADERLESS = frozenset({ImageFormat.RAW, ImageFormat.ISO})


async def second_look(
    converter: Converter, fd: int, disk: DiskInside, facts: ImageFacts, *, name: str
) -> DiskReport:
    """What the converter says of the open image that our own reader found to have these facts.

    Raises:
        FormatMismatch: the two see different disks.
        The errors of ``Converter.examine``.
    """
    if disk.format in _HEADERLESS:
        return DiskReport(format=disk.format, virtual_size_bytes=facts.virtual_size_bytes)
    report = await converter.examine(fd, disk, name=name)
    # QEMU rounds the sizes of some VHDs to the geometry of old disks.
    if report.virtual_size_bytes != facts.virtual_size_bytes and disk.format is not ImageFormat.VHD:
        raise FormatMismatch(
            f"{name} is a disk of {facts.virtual_size_bytes} bytes by its header, "
            f"and of {report.virtual_size_bytes} by qemu-img.",
            remedy="Do not use this image.",
        )
    return report
