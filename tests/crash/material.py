"""What publishers have in these tests, each a value in memory, and what a VM sees of an image."""

from __future__ import annotations

import hashlib
import random
import struct

from image_library.domain.conversion import Packing
from tests.fakes.node_images import raw_disk
from tests.support.corpus.good import vhd_footer
from tests.support.disks import packed

# Of a few pages, each unlike the others: what is lost of it shows.
IMAGE = raw_disk(512) + random.Random(1).randbytes((5 << 18) - 512)
# A disk, and the file of another format that holds it: few clusters have few states.
DISK = raw_disk(512) + random.Random(2).randbytes((128 << 10) - 512)
VHD = DISK + vhd_footer(kind=2, size=len(DISK))
PACKED = packed(IMAGE, Packing.XZ)

_HOST = "https://cloud.example.org"
IMAGE_URL, VHD_URL, PACKED_URL = f"{_HOST}/disk.img", f"{_HOST}/disk.vhd", f"{_HOST}/disk.img.xz"
# From there much comes before its turn.
EARLY_URL = f"{_HOST}/early.img"
PUBLISHED = {IMAGE_URL: IMAGE, EARLY_URL: IMAGE, VHD_URL: VHD, PACKED_URL: PACKED}
# Bits 9 to 55 of a table's entry are an offset in the file.
_OFFSET = (1 << 56) - (1 << 9)


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SHA256 = sha256_of(IMAGE)
DIGEST = f"sha256:{SHA256}"


def guest_bytes(qcow2: bytes) -> bytes:
    """What a VM sees of a qcow2 that is not compressed and stands alone.

    Source: QEMU, docs/interop/qcow2.rst.
    """
    bits, size = struct.unpack_from(">IQ", qcow2, 20)
    [first] = struct.unpack_from(">Q", qcow2, 40)
    cluster, found = 1 << bits, bytearray()
    for number in range(-(-size // cluster)):
        upper, lower = divmod(number, cluster // 8)
        table = _entry(qcow2, first, upper)
        place = _entry(qcow2, table, lower) if table else 0
        found += qcow2[place : place + cluster] if place else bytes(cluster)
    return bytes(found[:size])


def _entry(qcow2: bytes, table: int, number: int) -> int:
    [entry] = struct.unpack_from(">Q", qcow2, table + 8 * number)
    return int(entry) & _OFFSET
