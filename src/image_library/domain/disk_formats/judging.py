"""The one table of the disk formats that are taken, and who judges each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from image_library.domain import qcow2
from image_library.domain.disk_formats import iso9660, partitions, vdi, vhd, vhdx, vmdk
from image_library.domain.disk_formats.reading import Reader
from image_library.domain.image import ImageFormat


class Judge(Protocol):
    def __call__(self, file: Reader, *, name: str, max_virtual_size: int) -> int:
        """The disk's size in bytes, of an image that is plain, safe and whole as far as one can tell.

        Raises:
            UnsafeBackingFile, UnsafeDataFile, UnsafeVmdkExtent, UnsafeMetadata, UnsupportedFeature,
            VirtualSizeTooLarge, ImageTruncated
        """
        ...


# An appliance (OVA) is no disk: it is opened first, and the disk in it is judged by this table.
JUDGES: Mapping[ImageFormat, Judge] = {
    ImageFormat.RAW: partitions.judge,
    ImageFormat.QCOW2: qcow2.judge,
    ImageFormat.VMDK: vmdk.judge,
    ImageFormat.VHD: vhd.judge,
    ImageFormat.VHDX: vhdx.judge,
    ImageFormat.VDI: vdi.judge,
    ImageFormat.ISO: iso9660.judge,
}
