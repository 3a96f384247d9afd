"""Finding the one disk in an appliance (OVA): a tar archive with a descriptor and the disk that it names."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.disk_formats.reading import Reader, Window, whole
from image_library.domain.disk_formats.recognising import recognise
from image_library.domain.disk_formats.tar import members
from image_library.domain.errors import UnsafeMetadata, UnsupportedArchive, printable
from image_library.domain.hardware import Hardware
from image_library.domain.image import ImageFormat
from image_library.node.adapters.ova_descriptor import MAX_BYTES, read_descriptor

_DISKS = frozenset({ImageFormat.VMDK, ImageFormat.QCOW2, ImageFormat.RAW, ImageFormat.VHD})


@dataclass(frozen=True, kw_only=True)
class OvaDisk:
    """The disk's file begins ``offset`` bytes from the archive's beginning and has ``length`` bytes."""

    offset: int
    length: int
    # The archive's own name for it, to be shown only.
    name: str
    format: ImageFormat
    hardware: Hardware


def find_disk(file: Reader, *, name: str) -> OvaDisk:
    """The one disk that the one descriptor names. The disk itself is not judged.

    Raises:
        UnsupportedArchive: the archive is not one machine with one disk in plain files.
        UnsafeMetadata, ImageTruncated, NotAnImage, AmbiguousFormat, UnsupportedFeature
    """
    found = {member.name: member for member in members(file, name=name)}
    descriptors = [member for member in found.values() if member.name.lower().endswith(".ovf")]
    if len(descriptors) != 1:
        raise UnsupportedArchive(f"{name} holds {len(descriptors)} descriptors (.ovf); an OVA has one.")
    ovf = descriptors[0]
    if ovf.size > MAX_BYTES:
        raise UnsafeMetadata(f"{name} has a descriptor of {ovf.size} bytes.")
    said = read_descriptor(whole(file, ovf.offset, ovf.size, name=name, what="descriptor"), name=name)
    disk = found.get(said.disk)
    if disk is None:
        raise UnsupportedArchive(f"{name} names the disk '{printable(said.disk)}', which it does not hold.")
    inside = Window(file, offset=disk.offset, size=disk.size)
    image_format = recognise(inside, name=f"The disk in {name}", declared=None)
    if image_format not in _DISKS:
        raise UnsupportedArchive(f"The disk in {name} is {image_format.value}.")
    return OvaDisk(
        offset=disk.offset, length=disk.size, name=disk.name, format=image_format, hardware=said.hardware
    )
