"""Small disks in every format, by the real qemu-img, and files packed in every way."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
from pathlib import Path

import zstandard

from image_library.domain.conversion import Packing
from image_library.domain.image import ImageFormat

MIB = 1 << 20
SIZE = 16 * MIB


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def driver(image_format: ImageFormat) -> str:
    """QEMU's name for it."""
    return "vpc" if image_format is ImageFormat.VHD else image_format.value


def disk(path: Path, image_format: ImageFormat, *options: str) -> Path:
    """A disk of 16 MiB with a boot sector, and bytes at its beginning and near its end."""
    raw = path.with_name(f"{path.name}.source")
    with raw.open("wb") as file:
        file.write(b"\x11" * 510 + b"\x55\xaa" + b"\x11" * (MIB - 512))
        file.truncate(SIZE)
        file.seek(SIZE - 4096)
        file.write(b"\x22" * 4096)
    sized = ("-o", "force_size=on") if image_format is ImageFormat.VHD and not options else ()
    wanted = ("-O", driver(image_format), *sized, *options)
    run("qemu-img", "convert", "-f", "raw", *wanted, str(raw), str(path))
    return path


def same(one: Path, its: ImageFormat, other: Path, others: ImageFormat) -> None:
    """See that both show the same disk."""
    run("qemu-img", "compare", "-f", driver(its), "-F", driver(others), str(one), str(other))


def packed(content: bytes, packing: Packing) -> bytes:
    match packing:
        case Packing.XZ:
            return lzma.compress(content, preset=0)
        case Packing.GZIP:
            return gzip.compress(content, 1)
        case Packing.ZSTD:
            return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)
        case Packing.BZIP2:
            return bz2.compress(content, 1)


def appliance(vmdk: bytes) -> bytes:
    """An OVA of a machine with two processors and one disk."""
    item = "<Item><ResourceType>3</ResourceType><VirtualQuantity>2</VirtualQuantity></Item>"
    descriptor = (
        '<Envelope><References><File id="f" href="it-disk1.vmdk"/></References>'
        f'<DiskSection><Disk diskId="d" fileRef="f" capacity="{SIZE}"/></DiskSection>'
        f'<VirtualSystem id="it"><VirtualHardwareSection>{item}</VirtualHardwareSection></VirtualSystem>'
        "</Envelope>"
    )
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("it.ovf", descriptor.encode()), ("it-disk1.vmdk", vmdk)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()
